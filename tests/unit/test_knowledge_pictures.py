"""The convergence as a picture: the same numbers, the same bytes; every phenotype has a panel."""

from matplotlib import pyplot

from clinragen.knowledge.pictures import draw_convergence
from clinragen.knowledge.ranking import Round, convergence_table

ROUNDS = [Round(p, n, 5 * n, 9 * n, 9, 9 * n, 0.9 if n > 1 else None, n == 3 and p == "Shock")
          for p in ("Shock", "AF", "COPD", "CKD", "Gout", "Sepsis (all)") for n in (1, 2, 3)]  # fmt: skip


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw_convergence(convergence_table(ROUNDS), 0.9, ["template teacher"], tmp_path / name)
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG") and data == (tmp_path / "b.png").read_bytes()


def test_each_phenotype_has_its_panel_and_stand_ins_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(pyplot, "close", lambda figure: None)
    for rounds, said in (
        (ROUNDS, "Key terms: stable in 1 of 6 phenotypes; the others ran out of documents. Made with stand-ins (a, b)"),
        (ROUNDS[:3], "Key terms: stable in 1 of 1 phenotypes. Made with"),
    ):
        draw_convergence(convergence_table(rounds), 0.9, ["a", "b"], tmp_path / "c.png")
        figure = pyplot.gcf()
        titles = [axis.get_title() for axis in figure.axes if axis.get_visible()]
        assert titles == list(dict.fromkeys(r.phenotype.removesuffix(" (all)") for r in rounds))
        assert figure.get_suptitle().startswith(said)
        stable = [text.get_text() for axis in figure.axes for text in axis.texts]
        assert stable == ["stable"]
    monkeypatch.undo()
    pyplot.close("all")
