// @ts-check
"use strict";
// Numbers, rates, times and spans as people read them. What is not known is a dash.
const Format = (() => {
  const three = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  const whole = new Intl.NumberFormat("en");
  // Making a format anew for each text costs more than the text.
  const toTheMinute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const toTheSecond = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  const dated = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });

  /** @param {number} value */
  const count = (value) => whole.format(value);
  /** @param {number | null} value */
  const plain = (value) => (value === null ? "–" : three.format(value));
  /** @param {number | null} value in milliseconds */
  const ms = (value) =>
    value === null ? "–" : value < 1000 ? `${three.format(value)} ms` : `${three.format(value / 1000)} s`;
  /** @param {number} value in milliseconds */
  const roughMs = (value) => ms(Number(value.toPrecision(2)));
  /** @param {number | null} value in calls per second; null is no limit */
  const rate = (value) => (value === null ? "unlimited" : `${plain(value)}/s`);
  /** @param {number} at in seconds since the epoch */
  const moment = (at) => dated.format(at * 1000);
  /** @param {number | Date} at in milliseconds since the epoch */
  const time = (at) => toTheSecond.format(at);
  /** @param {number} at in milliseconds since the epoch */
  const timeToTheMinute = (at) => toTheMinute.format(at);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

  /** @param {number} seconds */
  function span(seconds) {
    if (seconds < 1) return `${Math.round(seconds * 1000)}\u00a0ms`;
    if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}\u00a0s`;
    const minutes = Math.round(seconds / 60);
    if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min\u00a0${Math.round(seconds % 60)}\u00a0s`;
    return `${Math.floor(minutes / 60)}\u00a0h\u00a0${minutes % 60}\u00a0min`;
  }

  return { count, plain, ms, roughMs, rate, moment, time, timeToTheMinute, zone, span };
})();
