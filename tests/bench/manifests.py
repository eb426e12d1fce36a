"""Manifests of any size, in the vendor's kind of ids; written line by line, so that the bench itself stays small."""

from pathlib import Path

SCATTER = 618_033_989
"""Has no divisor in common with 10^9: so numbers times this, modulo 10^9, are all different."""


def row_id(number: int) -> str:
    """Return a called route id of 19 digits, never ending in zeros as a spreadsheet's would, and in no order."""
    return f"112539706{(1 + number) * SCATTER % 10**9:09d}7"


def write_csv(path: Path, rows: int, *, retargeted: dict[int, int] | None = None) -> Path:
    """Write a manifest; `retargeted` gives rows (by number) another deviceId."""
    retargeted = retargeted or {}
    with path.open("w") as file:
        file.write("id,devicetype,deviceId\n")
        file.writelines(f"{row_id(number)},3,{retargeted.get(number, 201 + number % 5)}\n" for number in range(rows))
    return path


def write_yaml(path: Path, rows: int) -> Path:
    """Write a manifest as a list of mappings."""
    with path.open("w") as file:
        file.writelines(
            f"- id: {row_id(number)}\n  devicetype: 3\n  deviceId: {201 + number % 5}\n" for number in range(rows)
        )
    return path


def write_bodies(path: Path, rows: int) -> Path:
    """Write the bodies of the calls, one a line."""
    with path.open("w") as file:
        file.writelines(
            f'{{"id":"{row_id(number)}","devicetype":3,"deviceId":{201 + number % 5}}}\n' for number in range(rows)
        )
    return path


def write_curl_config(path: Path, url: str, rows: int) -> Path:
    """Write the same calls as a config file of curl."""
    with path.open("w") as file:
        for number in range(rows):
            body = f'{{\\"id\\":\\"{row_id(number)}\\",\\"devicetype\\":3,\\"deviceId\\":{201 + number % 5}}}'
            file.write(f'{"next" if number else ""}\nurl = "{url}"\noutput = "/dev/null"\nsilent\nfail\n')
            file.write(f'header = "Content-Type: application/json"\ndata = "{body}"\n')
    return path


def write_wrk_script(path: Path) -> Path:
    """Write what makes wrk post such a body."""
    path.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.body = \'{{"id":"{row_id(1)}","devicetype":3,"deviceId":201}}\'\n'
    )
    return path
