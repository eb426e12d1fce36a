"""`python -m tests.docs`: write every made block of every page anew."""

from tests.docs.blocks import PAGES, renewed


def main() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        new = renewed(text)
        if new != text:
            page.write_text(new, "utf-8")
            print(page)


main()
