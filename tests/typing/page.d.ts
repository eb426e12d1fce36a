// What the pages' scripts get and pass on. A test holds the data's types to what page_data.py makes.

interface PageData {
  made_at: number;
  version: string;
  ledger: string;
  batch: number;
  parent: number | null;
  manifest: string;
  origin: Origin;
  pairs: Pairs;
  waves: Waves;
  remarks: Remark[];
  counts: Counts;
  calls: Calls;
  state: State;
  reasons: Reasons;
  waits: Wait[];
  paces: PaceChange[];
  failed: PackedRows;
  timeline: Timeline;
  latency: Latency;
  runs: Runs;
}

interface LiveData extends PageData {
  live: RunStatus | NoStatus;
  pace: number | null;
  eta_s: number | null;
}

/** Of the last run. What is not known is empty. */
interface Origin {
  plan: string;
  service: string;
  tenant: string;
  note: string;
  who: string;
}

interface Pairs {
  total: number;
  rows: Pair[];
}

interface Pair {
  before: string;
  after: string;
  rows: number;
  done: number;
  failed: number;
  refused: number;
}

interface Waves {
  total: number;
  is_held: boolean;
  rows: Wave[];
}

interface Wave {
  wave: number;
  rows: number;
  done: number;
  failed: number;
  state: string;
  since: number;
  words: string;
}

interface Remark {
  at: number;
  kind: string;
  is_good: boolean;
  text: string;
  run: number | null;
}

interface Counts {
  total: number;
  succeeded: number;
  unchanged: number;
  skipped: number;
  failed: number;
  refused: number;
  pending: number;
  in_doubt: number;
  drifted: number;
  failures: Record<string, number>;
}

interface Calls {
  all: number;
  retries: number;
  throttled: number;
  seconds: number;
}

interface State {
  state: string;
  text: string;
  tone?: string;
}

interface Reasons {
  total: number;
  rows: Reason[];
}

interface Reason {
  error: string;
  description: string | null;
  rows: number;
  example_id: string;
  example_number: string;
  refused: boolean;
}

interface Wait {
  run: number;
  started_at: number;
  ended_at: number | null;
  reason: string;
}

interface PaceChange {
  pace: number;
  run: number;
  at: number;
  asked: number | null;
  rate: number | null;
  concurrency: number;
  reason: string;
  cause: string;
}

/** Failed rows on their way: a value for each column; that of `description` is its place in `texts`. */
interface PackedRows {
  total: number;
  columns: string[];
  texts: (string | null)[];
  rows: any[][];
}

interface Timeline {
  width_s: number;
  end: number;
  runs: TimelineRun[];
  x: number[];
  target: (number | null)[];
  allowed: (number | null)[];
  calls: (number | null)[];
  done: (number | null)[];
  failed: (number | null)[];
  throttled: (number | null)[];
  p50: (number | null)[];
  p95: (number | null)[];
  p99: (number | null)[];
}

interface TimelineRun {
  run: number;
  x: number;
  started_at: number;
}

interface Latency {
  bars: Bar[];
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

interface Bar {
  from: number;
  to: number;
  calls: number;
}

interface Runs {
  total: number;
  rows: Run[];
}

interface Run {
  run: number;
  command: string;
  started_at: number;
  seconds: number;
  rate: number | null;
  calls: number;
  retries: number;
  throttled: number;
  exit_code: number | null;
  ending: string;
  where: string;
}

/** What a run answers over its control socket, of which the page shows this. */
interface RunStatus {
  state: string;
  reason: string | null;
  since: string | null;
  until: string | null;
  stopping: string | null;
  pauses: Pause[];
  asked_per_s: number | null;
  rate_per_s: number | null;
  started_per_s: number;
  in_flight: number;
  ends_at: string | null;
  back_out_rows: number;
  back_out_s: number | null;
  back_out_by: string | null;
  backing_out: string | null;
}

interface NoStatus {
  state?: undefined;
}

interface Pause {
  cause: string;
  reason: string;
  wait_s: number | null;
  since: string;
  until: string | null;
  next_probe_s: number | null;
}

/** A fleet's page; live, each line is a part of its own, and they are put together. */
interface FleetData {
  version: string;
  fleet: string;
  totals: FleetTotals;
  lines: FleetLine[];
}

interface FleetTotals {
  tenants: number;
  ended: number;
  succeeded: number;
  total: number;
  done: number;
  failed: number;
  started_per_s: number;
  states: Record<string, number>;
}

/** A tenant; `need` is the smaller, the more it needs somebody, `href` leads to its own page. */
interface FleetLine {
  tenant: string;
  state: string;
  reason: string;
  total: number;
  done: number;
  failed: number;
  left: number;
  started_per_s: number;
  rate_per_s: number | null;
  asked_per_s: number | null;
  eta_s: number | null;
  last_failure: string;
  exit_code: number | null;
  host: string;
  ledger: string;
  word: string;
  need: number;
  goes_on: boolean;
  place: number;
  href: string | null;
}

// What the scripts pass to one another.

interface FailedRow {
  id: string;
  access_code: string;
  ext_code: string;
  media_type: number | null;
  line: number;
  devicetype: number;
  device_id: number;
  target: string;
  error: string;
  http_status: number | null;
  return_code: string | null;
  description: string | null;
  attempts: number;
  finished_at: number | null;
}

interface FailedSearch {
  text: string;
  kind: string;
}

interface FailedSource {
  find(search: FailedSearch, offset: number, limit: number): Promise<{ total: number; rows: FailedRow[] }>;
  ids(search: FailedSearch): Promise<string>;
  save(search: FailedSearch): Promise<void>;
}

/** Its head, and how its cells look. */
type Column = [title: string, kind: "plain" | "short" | "number" | "text"];
/** A button that has to be pressed twice: what it says, that in short, and what follows. */
type Careful = [name: string, short: string, follows: () => string];
type Tile = [name: string, value: string, kind?: string, more?: string];
type SeriesName = "done" | "failed" | "throttled" | "target" | "allowed" | "p50" | "p95" | "p99";
type Line = uPlot.Series & { key: SeriesName };
type LegendEntry = [key: string, label: string, value: string];
