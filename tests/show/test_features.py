"""Pictures of filters and feature maps: what is drawn where, and the shapes that are refused."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import errors, nn, show


def test_each_filter_is_one_picture_on_one_scale():
    layer = nn.Conv2d(2, 10, (3, 5), rng=0)
    axes = show.plot_filters(layer.weight)
    assert axes.get_title(loc="left") == "10 filters of 3 x 5"
    assert len(axes.images) == 10
    assert {image.get_clim() for image in axes.images} == {axes.images[0].get_clim()}
    low, high = axes.images[0].get_clim()
    weight = layer.weight.data.astype(float).mean(axis=2)
    assert low == -high == -np.abs(weight).max()
    np.testing.assert_array_equal(axes.images[9].get_array(), weight[..., 9])
    assert axes.images[8].get_extent()[0] == 0  # the ninth begins a row
    assert axes.images[8].get_extent()[3] > axes.images[7].get_extent()[3]


def test_maps_stand_beside_their_image_each_channel_on_its_own_scale():
    images = np.random.default_rng(0).random((3, 8, 8, 1))
    maps = tg.predict(nn.Sequential(nn.Conv2d(1, 5, 3, rng=0), nn.ReLU()), images)
    maps[..., 1] *= 100
    axes = show.plot_feature_maps(images, maps, columns=4)
    assert axes.get_title(loc="left") == "Image, and 4 of 5 feature maps, 6 x 6"
    assert len(axes.images) == 3 * (1 + 4)
    drawn = np.stack([image.get_array() for image in axes.images[2::5]])
    np.testing.assert_allclose(drawn, maps[..., 1] / maps[..., 1].max())


def test_maps_that_never_answer_are_white():
    axes = show.plot_feature_maps(np.zeros((1, 4, 4)), np.zeros((1, 2, 2, 1)))
    assert all((image.get_array() == 0).all() for image in axes.images)


def test_other_shapes_are_refused_by_name():
    with pytest.raises(
        errors.ShapeError, match=r"plot_filters: expected filters of shape \(kh, kw, in, out\), got \(3, 3\)"
    ):
        show.plot_filters(np.zeros((3, 3)))
    with pytest.raises(errors.ShapeError, match=r"as many images .* got \(2, 4, 4\) and \(3, 2, 2, 1\)"):
        show.plot_feature_maps(np.zeros((2, 4, 4)), np.zeros((3, 2, 2, 1)))


def test_images_in_colour_stand_beside_their_maps():
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    axes = show.plot_feature_maps(images, np.ones((2, 6, 6, 4)))
    drawn = np.asarray(axes.images[5].get_array())
    assert drawn.shape == (8, 8, 3)
    assert (images.min() < 0, drawn.min() >= 0, drawn.max() <= 1) == (True, True, True)


def test_a_line_names_the_scale_of_filters_and_that_they_are_means():
    axes = show.plot_filters(np.full((3, 3, 2, 1), -0.5))
    assert axes.get_title(loc="left") == "1 filter of 3 x 3"
    assert [text.get_text() for text in axes.texts] == ["blue \N{MINUS SIGN}0.5, white 0, red 0.5; means of 2 channels"]
    assert [text.get_text() for text in show.plot_filters(np.ones((3, 3, 1, 1))).texts] == [
        "blue \N{MINUS SIGN}1, white 0, red 1"
    ]
