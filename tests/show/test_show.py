"""The pictures: what is drawn, what is refused, and that nothing outside the figure changes."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import errors, nn, show
from tensorgrad.show.palette import OKABE_ITO, WRONG


@pytest.fixture
def model():
    return nn.Sequential(nn.Dense(2, 8), nn.ReLU(), nn.Dense(8, 3), rng=0)


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 2)), rng.integers(0, 3, 40)


def history(**numbers):
    made = tg.History("tensor")
    made.epochs.update(numbers)
    return made


# ---- curves -----------------------------------------------------------------------------------------------------------
def test_history_has_a_panel_for_each_quantity_with_training_and_validation():
    panels = show.plot_history(history(loss=[3, 1, 2], accuracy=[0.1, 0.5, 0.4], val_loss=[2, 3, 4]))
    assert [ax.get_title(loc="left") for ax in panels] == ["Loss", "Accuracy"]
    loss, accuracy = panels
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [[1, 3], [2, 1], [3, 2]])
    np.testing.assert_array_equal(loss.lines[2].get_xydata(), [[1, 2], [2, 3], [3, 4]])
    assert len(accuracy.lines) == 2


def test_history_marks_the_lowest_loss_and_the_highest_metric():
    panels = show.plot_history(history(loss=[3, 1, 2], accuracy=[0.1, 0.5, 0.4]))
    assert panels[0].lines[1].get_xydata().tolist() == [[2, 1]]
    assert panels[1].lines[1].get_xydata().tolist() == [[2, 0.5]]
    texts = [ax.get_legend().get_texts()[0].get_text() for ax in panels]
    assert texts == ["training: best 1.00 at epoch 2", "training: best 0.500 at epoch 2"]


@pytest.mark.parametrize(("loss", "scale"), [([1, 0.01], "log"), ([1, 0.5], "linear"), ([1, 0.0], "linear")])
def test_history_uses_a_logarithmic_scale_where_the_loss_falls_far(loss, scale):
    assert show.plot_history(history(loss=loss))[0].get_yscale() == scale


def test_history_draws_on_given_axes():
    axes = show.new_figure(4, 4).subplots(1, 2)
    made = history(loss=[1, 2], accuracy=[0, 1])
    assert list(show.plot_history(made, axes)) == list(axes)
    alone = show.new_figure(4, 4).subplots()
    assert list(made.plot(alone)) == [alone]
    assert alone.get_title(loc="left") == "Loss"


def test_history_refuses_what_it_cannot_draw():
    with pytest.raises(errors.DataError, match="has no epochs; train for at least one"):
        show.plot_history(history(loss=[]))
    with pytest.raises(errors.ShapeError, match="expected 1 axes, for loss, or one, for the loss; got 2"):
        show.plot_history(history(loss=[1]), show.new_figure(1, 1).subplots(1, 2))


def test_history_with_one_epoch_or_a_loss_that_is_not_finite_draws():
    show.plot_history(history(loss=[1.0]))
    (panel,) = show.plot_history(history(loss=[1.0, float("nan"), 0.5]))
    assert panel.lines[1].get_xydata().tolist() == [[3, 0.5]]
    show.plot_history(history(loss=[float("nan")]))


# ---- decision regions -------------------------------------------------------------------------------------------------
def test_regions_ring_exactly_the_mistakes(model, points):
    X, y = points
    wrong = tg.predict(model, X).argmax(axis=1) != y
    axes = show.plot_decision_regions(model, X, y, resolution=30)
    rings = axes.collections[-1]
    assert rings.get_label() == f"{wrong.sum()} wrong of 40"
    np.testing.assert_array_equal(rings.get_offsets(), X[wrong])
    assert rings.get_facecolors().size == 0


def test_regions_without_mistakes_have_no_rings(model, points):
    X, _ = points
    axes = show.plot_decision_regions(model, X, tg.predict(model, X).argmax(axis=1), resolution=30)
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["class 0", "class 1", "class 2"]


def test_region_colours_are_blended_by_probability():
    model = nn.Sequential(nn.Dense(2, 2), rng=0)
    model.load_state_dict({"0.weight": np.array([[9.0, -9.0], [0.0, 0.0]]), "0.bias": np.zeros(2)})
    axes = show.plot_decision_regions(model, np.array([[-1.0, -1.0], [1.0, 1.0]]), np.array([1, 0]), resolution=31)
    paint, colours = np.asarray(axes.images[0].get_array()), show.class_colours(2)
    np.testing.assert_allclose(paint[0, -1], (1 + colours[0]) / 2, atol=1e-3)
    np.testing.assert_allclose(paint[0, 0], (1 + colours[1]) / 2, atol=1e-3)
    np.testing.assert_allclose(paint[0, 15], (1 + colours.mean(axis=0)) / 2, atol=1e-3)


def test_regions_of_two_classes(points):
    X, y = points
    model = nn.Sequential(nn.Dense(2, 4), nn.ReLU(), nn.Dense(4, 2), nn.Softmax(), rng=0)
    axes = show.plot_decision_regions(model, X, y % 2, resolution=20)
    assert [t.get_text() for t in axes.get_legend().get_texts()][:2] == ["class 0", "class 1"]


def test_a_single_output_has_no_regions(points):
    X, y = points
    with pytest.raises(errors.ShapeError, match=r"one for each of at least two classes, got \(40, 1\)$"):
        show.plot_decision_regions(nn.Sequential(nn.Dense(2, 1), rng=0), X, y % 2, resolution=20)


def test_regions_of_a_scalar_model_are_those_of_its_tensor_copy(model, points):
    same = [
        show.plot_decision_regions(m, *points, resolution=20) for m in (model.astype("float64"), model.to("scalar"))
    ]
    first, second = (np.asarray(axes.images[0].get_array()) for axes in same)
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_regions_take_one_point_and_one_hot_labels(model):
    axes = show.plot_decision_regions(model, np.ones((1, 2)), np.eye(3)[[1]], resolution=10)
    assert axes.get_xlim() == (0, 2)


def test_regions_refuse_what_they_cannot_draw(model, points):
    X, y = points
    with pytest.raises(errors.ShapeError, match=r"expected X of shape \(n, 2\), points in a plane, got \(40, 3\)"):
        show.plot_decision_regions(model, np.zeros((40, 3)), y)
    with pytest.raises(errors.ShapeError, match=r"expected 40 labels of shape \(40,\), got \(39,\)"):
        show.plot_decision_regions(model, X, y[:-1])
    with pytest.raises(errors.LabelError, match="label 3 at row 0 is not one of the 3 classes, 0 to 2"):
        show.plot_decision_regions(model, X, y * 0 + 3)
    model.load_state_dict(model.state_dict() | {"2.bias": np.array([0.0, np.inf, 0.0])})
    with pytest.raises(errors.DataError, match=r"outputs for row 0 are \[.* inf .*\]; they must be finite numbers"):
        show.plot_decision_regions(model, X, y)


# ---- images -----------------------------------------------------------------------------------------------------------
def frames(axes):
    wrong = matplotlib.colors.to_rgba(WRONG)
    return ["wrong" if patch.get_edgecolor() == wrong else "right" for patch in axes.patches]


def outputs(guesses, classes=3):
    return 5.0 * np.eye(classes)[guesses]


def test_images_frame_exactly_the_mistakes_and_show_them_first():
    guess, target = np.array([0, 1, 2, 0, 1]), np.array([0, 2, 2, 1, 1])
    images = np.arange(5)[:, None, None] * np.ones((5, 4, 4))
    axes = show.plot_predictions(images, outputs(guess), target, count=5)
    assert frames(axes) == ["wrong", "wrong", "right", "right", "right"]
    assert [int(np.asarray(image.get_array())[0, 0]) for image in axes.images] == [1, 3, 0, 2, 4]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["1  99%", "is 2", "0  99%", "is 1", "0  99%", "2  99%", "1  99%"]
    assert axes.get_title(loc="left") == "2 wrong of 5"


def test_images_put_the_surest_mistake_in_front():
    sure = np.array([[1.0, 0.0], [9.0, 0.0], [3.0, 0.0]])
    axes = show.plot_predictions(np.zeros((3, 2, 2)), sure, np.array([1, 1, 1]))
    assert [text.get_text() for text in axes.texts][::2] == ["0  100%", "0  95%", "0  73%"]


@pytest.mark.parametrize(
    ("mistakes", "right", "shown"), [(30, 30, (8, 4)), (30, 1, (11, 1)), (0, 30, (0, 12)), (2, 3, (2, 3))]
)
def test_images_keep_a_third_of_the_grid_for_right_ones(mistakes, right, shown):
    target = np.array([1] * mistakes + [0] * right)
    images = np.zeros((len(target), 4))
    axes = show.plot_predictions(images, outputs(np.zeros_like(target)), target, count=12)
    assert (frames(axes).count("wrong"), frames(axes).count("right")) == shown


@pytest.mark.parametrize("shape", [(4,), (2, 2), (2, 3), (2, 3, 1), (2, 3, 3)])
def test_images_of_every_shape(shape):
    images = np.random.default_rng(0).uniform(size=(5, *shape))
    axes = show.plot_predictions(images, outputs([0] * 5), np.zeros(5), names=["cat", "dog", "owl"])
    assert len(axes.images) == 5
    assert axes.texts[0].get_text().startswith("cat")
    show.plot_predictions(images * 0, outputs([0] * 5), np.zeros(5))


def test_images_refuse_what_they_cannot_draw():
    with pytest.raises(errors.ShapeError, match=r"or \(n, pixels\) of square ones, got \(5, 7\)"):
        show.plot_predictions(np.zeros((5, 7)), outputs([0] * 5), np.zeros(5))
    with pytest.raises(errors.ShapeError, match="5 images and 4 predictions"):
        show.plot_predictions(np.zeros((5, 4)), outputs([0] * 4), np.zeros(5))
    with pytest.raises(errors.ShapeError, match=r"expected outputs of shape \(n, classes\)"):
        show.plot_predictions(np.zeros((5, 4)), np.zeros((5, 2, 2)), np.zeros(5))
    with pytest.raises(errors.LabelError, match=r"label 0.5 at row 0"):
        show.plot_predictions(np.zeros((5, 4)), outputs([0] * 5), np.full(5, 0.5))
    with pytest.raises(errors.OptionError, match="2 names for 3 classes"):
        show.plot_predictions(np.zeros((5, 4)), outputs([0] * 5), np.zeros(5), names=["a", "b"])
    with pytest.raises(errors.OptionError, match="count must be a positive whole number, got 0"):
        show.plot_predictions(np.zeros((5, 4)), outputs([0] * 5), np.zeros(5), count=0)


# ---- colours and files ------------------------------------------------------------------------------------------------
def test_class_colours_differ_and_many_classes_differ_in_brightness():
    assert len(np.unique(show.class_colours(len(OKABE_ITO)), axis=0)) == len(OKABE_ITO)
    many = show.class_colours(12)
    assert many.shape == (12, 3)
    assert (np.diff(many @ [0.2126, 0.7152, 0.0722]) > 0).all()


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_save_writes_the_kind_that_the_suffix_says(kind, start, tmp_path):
    path = show.save_picture(show.plot_history(history(loss=[2, 1]))[0], tmp_path / "new" / "folder" / f"a.{kind}")
    assert path.read_bytes().startswith(start)
    assert list(path.parent.iterdir()) == [path]


def test_save_replaces_a_picture_only_by_a_complete_one(tmp_path, monkeypatch):
    figure, path = show.new_figure(1, 1), tmp_path / "a.png"
    path.write_text("before")

    def fail(descriptor):
        assert len(list(tmp_path.iterdir())) == 2
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(errors.FileError, match=r"^save_picture: cannot write .*a.png': No space left on device$"):
            show.save_picture(figure, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    show.save_picture(figure, path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_save_refuses_unknown_kinds_and_paths_that_cannot_be_written(tmp_path):
    with pytest.raises(errors.OptionError, match=r"expected a path that ends in one of .*\.png, .*, got 'a.txt'"):
        show.save_picture(show.new_figure(1, 1), "a.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.FileError, match=r"cannot write .*give a path in a folder that you may write to"):
        show.save_picture(show.new_figure(1, 1), tmp_path / "file" / "a.png")


# ---- nothing else changes ---------------------------------------------------------------------------------------------
def in_new_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_tensorgrad_and_show_does_not_import_matplotlib():
    in_new_process("import sys, tensorgrad, tensorgrad.show; assert 'matplotlib' not in sys.modules")


def test_drawing_leaves_pyplot_and_settings_alone(model, points, tmp_path):
    before = dict(matplotlib.rcParams)
    show.plot_history(history(loss=[2, 1]))
    show.plot_predictions(np.zeros((3, 4)), outputs([0, 1, 2]), np.zeros(3))
    show.save_picture(show.plot_decision_regions(model, *points, resolution=10), tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before
    in_new_process(
        "import sys, tensorgrad as tg; from tensorgrad import show; h = tg.History('tensor'); h.append(loss=1.0);"
        f"show.save_picture(h.plot()[0], {str(tmp_path / 'b.png')!r}); assert 'matplotlib.pyplot' not in sys.modules"
    )


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        errors.MissingPackage, match=r'which is not installed: pip install "microgrid-tensorgrad\[plot\]"'
    ):
        show.plot_history(history(loss=[1]))
    with pytest.raises(errors.MissingPackage, match=r"History.plot needs matplotlib"):
        history(loss=[1]).plot()


@pytest.mark.parametrize("shape", [lambda a: a[0], list, tuple, np.array, lambda a: a[0].get_figure()])
def test_a_picture_is_whatever_a_plot_function_returns(tmp_path, shape):
    axes = show.plot_history(history(loss=[2, 1], accuracy=[0, 1]))
    assert show.save_picture(shape(axes), tmp_path / "curves.png").stat().st_size > 1000


@pytest.mark.parametrize("picture", [[], "a.png", None, lambda: [show.new_figure(1, 1), show.new_figure(1, 1)]])
def test_something_else_than_a_picture(tmp_path, picture):
    picture = picture() if callable(picture) else picture
    with pytest.raises(errors.OptionError, match=r"^save_picture: expected axes of one figure, or a figure, .* got "):
        show.save_picture(picture, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_one_epoch_is_drawn_on_whole_numbers_from_0():
    (ax,) = show.plot_history(history(loss=[2.5], val_loss=[3.0]))
    assert [x for x in ax.get_xticks() if 0.5 <= x <= 1.5] == [1]
    assert ax.get_ylim()[0] == 0 < 3 < ax.get_ylim()[1]


def test_best_epochs_that_coincide_are_both_seen():
    (ax,) = show.plot_history(history(loss=[2, 1], val_loss=[2, 1]))
    below, above = ax.lines[1], ax.lines[3]
    assert below.get_xydata().tolist() == above.get_xydata().tolist() == [[2, 1]]
    assert below.get_markersize() > above.get_markersize() + 2
    (ax,) = show.plot_history(history(loss=[2, 1], val_loss=[1, 2]))
    assert ax.lines[1].get_markersize() == ax.lines[3].get_markersize()


@pytest.mark.parametrize("shapes", [((3,), (3, 1)), ((3, 2), (3, 2)), ((), ())])
def test_residuals_are_of_one_number_a_row(shapes):
    with pytest.raises(
        errors.ShapeError, match=r"^plot_residuals: expected outputs and targets of one shape, \(n,\) or \(n, 1\), got"
    ):
        show.plot_residuals(*map(np.ones, shapes))


def test_residuals_are_drawn_on_given_axes():
    axes = show.new_figure(4, 3).subplots()
    assert show.plot_residuals(np.ones((2, 1)), np.array([[1.0], [3.0]]), axes, "Left over") is axes
    assert axes.collections[0].get_offsets().tolist() == [[1, 0], [1, 2]] and axes.get_title(loc="left") == "Left over"
