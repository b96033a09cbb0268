"""The clean-up's table, from which people copy ids."""

from tasks.cleanup import report

ID = "51720e07-8542-46bd-ba52-ca36656f90fc"  # has hyphens after letters, where a line might be broken


def test_an_id_in_a_narrow_cell_stays_whole() -> None:
    cell = report._wrap_cell(f"Sync.so no longer lists {ID}; ask the vendor about it", 28)
    assert f"{ID};" in cell.split()
