"""`python -m tools.reference` writes the pages anew and names those that changed."""

from tools.reference.pages import REFERENCE, ROOT, reference_pages


def main() -> None:
    """Write every page that differs from what is there."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in reference_pages().items():
        file = REFERENCE / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file.relative_to(ROOT)}")


main()
