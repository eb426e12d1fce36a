"""Names and numbers as contact centres have them."""

import random

QUEUES = (
    "Billing", "Sales", "Support", "Complaints", "Retention", "VIP", "Deliveries", "Claims", "Appointments",
    "Technical", "Orders", "Returns", "客服", "投诉", "售后", "Cobranza", "Ventas", "Suporte",
)  # fmt: skip
FLOWS = (
    "Main menu", "Night", "Holiday", "Emergency", "Announcement", "Callback", "Survey", "Day", "Weekend",
    "夜间值班", "节假日", "主菜单", "Menú principal", "Fora do horário",
)  # fmt: skip
PLACES = ("", "North", "South", "L2", "Backup", "华东", "华南", "São Paulo", "Lima")


def queue_name(number: int) -> str:
    """Return a plausible name for a skill queue; the same for the same number, and no other has it."""
    return f"{QUEUES[number % len(QUEUES)]}-{number}"


def flow_name(number: int) -> str:
    """Return a plausible name for an IVR flow; the same for the same number, and no other has it."""
    return f"{FLOWS[number % len(FLOWS)]} {number}"


def access_code(rng: random.Random) -> str:
    """Return a number that callers dial: toll-free, a short code, with a country's code, with a leading zero."""
    style = rng.choices(("400#######", "95###", "+551140######", "0800######", "0447700900###", "1010####", "6###"),
                        (40, 10, 15, 12, 8, 9, 6))[0]  # fmt: skip
    return "".join(rng.choice("0123456789") if sign == "#" else sign for sign in style)


def extension(rng: random.Random, place: int) -> str:
    """Return an extension code: mostly the next in line, sometimes longer, with a star or a hash, or very long."""
    style = rng.random()
    if style < 0.70:
        return str(place)
    if style < 0.92:
        return f"{rng.randrange(10000):04d}"
    if style < 0.98:
        return f"{rng.choice('*#')}{rng.randrange(100):02d}"
    return "".join(rng.choices("0123456789", k=24))
