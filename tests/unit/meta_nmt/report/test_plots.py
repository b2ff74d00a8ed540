"""The figures."""

from meta_nmt.report.plots import plots, rendered


def test_figures_have_the_same_bytes_again_and_both_formats(gathered, written):
    names = {plot.name for plot in plots(gathered)}
    assert names == {"budget-ro", "budget-fi", "meta-training"}, names
    for plot in plots(gathered):
        png, svg = ((written / f"plots/{plot.name}.{form}").read_bytes() for form in ("png", "svg"))
        assert png.startswith(b"\x89PNG") and svg.startswith(b"<?xml"), "both formats"
        assert (rendered(plot, "png"), rendered(plot, "svg")) == (png, svg), f"{plot.name} is drawn otherwise again"
