"""Answers to `to_patches(images, size)`: `(batch, channels, height, width)` to patches, row by row."""

import torch
from torch.nn import functional as F

from answers import known, right, unlisted


@right
def cut_moved_and_joined(images, size):
    batch, channels, height, width = images.shape
    x = images.reshape(batch, channels, height // size, size, width // size, size)
    x = x.permute(0, 2, 4, 1, 3, 5)
    return x.reshape(batch, -1, channels * size * size)


@right
def with_unfold_of_torch(images, size):
    return F.unfold(images, kernel_size=size, stride=size).transpose(1, 2)


@right
def patch_by_patch(images, size):
    batch, _, height, width = images.shape
    patches = []
    for top in range(0, height, size):
        for left in range(0, width, size):
            square = images[:, :, top : top + size, left : left + size]
            patches.append(square.reshape(batch, -1))
    return torch.stack(patches, dim=1)


@right
def with_unfold_of_a_tensor(images, size):
    x = images.unfold(2, size, size).unfold(3, size, size)  # (batch, channels, rows, columns, size, size)
    return x.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


@right
def filled_in_place(images, size):
    batch, channels, height, width = images.shape
    rows, columns = height // size, width // size
    patches = images.new_zeros(batch, rows * columns, channels * size**2)
    for i in range(rows):
        for j in range(columns):
            square = images[:, :, i * size : (i + 1) * size, j * size : (j + 1) * size]
            patches[:, i * columns + j] = square.flatten(1)
    return patches


@right
def split_twice(images, size):
    rows = images.split(size, dim=2)
    squares = [square for row in rows for square in row.split(size, dim=3)]
    return torch.stack([square.flatten(1) for square in squares], 1)


@right
def with_numpy(images, size):
    x = images.numpy()
    b, c, h, w = x.shape
    x = x.reshape(b, c, h // size, size, w // size, size).transpose(0, 2, 4, 1, 3, 5)
    return torch.from_numpy(x.reshape(b, (h // size) * (w // size), c * size * size).copy())


@known("one-view")
def viewed(images, size):
    batch, channels, height, width = images.shape
    return images.view(batch, (height // size) * (width // size), channels * size * size)


@known("one-view")
def cut_and_not_moved(images, size):
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // size, size, w // size, size)
    return x.reshape(b, -1, c * size**2)


@known("grid-and-pixels-exchanged")
def pixels_before_the_grid(images, size):
    b, c, h, w = images.shape
    x = images.reshape(b, c, size, h // size, size, w // size)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(b, -1, c * size**2)


@known("grid-and-pixels-exchanged")
def cut_the_wrong_way_and_moved_as_if_right(images, size):
    b, c, h, w = images.shape
    x = images.reshape(b, c, size, h // size, size, w // size)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * size**2)


@known("grid-and-pixels-exchanged")
def moved_the_pixels_to_the_front(images, size):
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // size, size, w // size, size)
    return x.permute(0, 3, 5, 1, 2, 4).flatten(3).flatten(1, 2)


@known("grid-and-pixels-exchanged")
def every_so_many(images, size):
    rows, columns = images.shape[2] // size, images.shape[3] // size
    patches = [images[:, :, i::rows, j::columns].flatten(1) for i in range(rows) for j in range(columns)]
    return torch.stack(patches, 1)


@known("column-order")
def columns_first(images, size):
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // size, size, w // size, size)
    return x.permute(0, 4, 2, 1, 3, 5).reshape(b, -1, c * size**2)


@known("column-order")
def loops_exchanged(images, size):
    patches = []
    for left in range(0, images.shape[3], size):
        for top in range(0, images.shape[2], size):
            patches.append(images[:, :, top : top + size, left : left + size].flatten(1))
    return torch.stack(patches, dim=1)


@known("pixels-transposed")
def columns_of_pixels_first(images, size):
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // size, size, w // size, size)
    return x.permute(0, 2, 4, 1, 5, 3).reshape(b, -1, c * size**2)


@known("picture-on-its-side")
def transposed_first(images, size):
    return cut_moved_and_joined(images.transpose(2, 3), size)


@known("channels-last")
def as_in_a_well_known_library(images, size):
    """rearrange(images, "b c (h p1) (w p2) -> b (h w) (p1 p2 c)")"""
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // size, size, w // size, size)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(b, -1, c * size**2)


@known("channels-not-moved")
def unfolded_and_not_moved(images, size):
    batch, channels = images.shape[:2]
    x = images.unfold(2, size, size).unfold(3, size, size)
    return x.reshape(batch, -1, channels * size * size)


@known("channels-as-patches")
def a_patch_for_each_channel(images, size):
    x = images.unfold(2, size, size).unfold(3, size, size)
    return x.reshape(len(images), -1, size * size)


@known("height-for-width")
def height_and_width_exchanged(images, size):
    b, c, w, h = images.shape
    x = images.reshape(b, c, h // size, size, w // size, size)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * size**2)


@known("features-first")
def unfold_without_a_transpose(images, size):
    return F.unfold(images, size, stride=size)


@known("features-reshaped")
def unfold_and_a_reshape(images, size):
    return F.unfold(images, size, stride=size).reshape(len(images), -1, images.shape[1] * size**2)


@known("overlapping")
def step_of_the_loop_forgotten(images, size):
    rows, columns = images.shape[2] // size, images.shape[3] // size
    squares = [images[:, :, i : i + size, j : j + size] for i in range(rows) for j in range(columns)]
    return torch.stack([square.flatten(1) for square in squares], dim=1)


@known("overlapping")
def stride_forgotten(images, size):
    return F.unfold(images, size).transpose(1, 2)


@known("rows-and-columns-not-joined")
def a_grid_of_patches(images, size):
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // size, size, w // size, size)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(b, h // size, w // size, -1)


@known("features-not-joined")
def small_pictures(images, size):
    return cut_moved_and_joined(images, size).unflatten(-1, (-1, size, size))


@known("batch-run-together")
def all_patches_of_all(images, size):
    return cut_moved_and_joined(images, size).reshape(-1, images.shape[1] * size**2)


@known("patches-before-the-batch")
def stacked_in_front(images, size):
    h, w = images.shape[2:]
    tops, lefts = range(0, h, size), range(0, w, size)
    return torch.stack([images[:, :, i : i + size, j : j + size].flatten(1) for i in tops for j in lefts])


@known("patches-in-the-batch")
def concatenated_along_the_batch(images, size):
    h, w = images.shape[2:]
    tops, lefts = range(0, h, size), range(0, w, size)
    return torch.cat([images[:, :, i : i + size, j : j + size].flatten(1) for i in tops for j in lefts])


@known("one-picture")
def the_first_picture(images, size):
    return cut_moved_and_joined(images[:1], size)


@known("one-channel")
def the_first_channel(images, size):
    return cut_moved_and_joined(images[:, :1], size)


@known("channels-averaged")
def grey(images, size):
    return cut_moved_and_joined(images.mean(1, keepdim=True), size)


@known("pixels-averaged")
def pooled(images, size):
    return F.avg_pool2d(images, size).flatten(2).transpose(1, 2)


@known("backwards")
def last_channel_first(images, size):
    return cut_moved_and_joined(images.flip(1), size)


@known("backwards")
def last_patch_first(images, size):
    return cut_moved_and_joined(images, size).flip(1)


@known("patches-left-out")
def loops_end_too_early(images, size):
    h, w = images.shape[2:]
    tops, lefts = range(0, h - size, size), range(0, w - size, size)
    return torch.stack([images[:, :, i : i + size, j : j + size].flatten(1) for i in tops for j in lefts], 1)


@known("patches-left-out")
def the_last_column_is_missing(images, size):
    patches = []
    for i in range(images.shape[2] // size):
        for j in range(images.shape[3] // size - 1):
            square = images[:, :, i * size : (i + 1) * size, j * size : (j + 1) * size]
            patches.append(square.flatten(1))
    return torch.stack(patches, 1)


@known("patch-left-empty")
def the_last_is_left_at_0(images, size):
    right = cut_moved_and_joined(images, size)
    patches = torch.zeros_like(right)
    for i in range(right.shape[1] - 1):
        patches[:, i] = right[:, i]
    return patches


@known("size-built-in")
def always_two(images, size):
    return F.unfold(images, 2, stride=2).mT


@known("not-joined")
def a_list(images, size):
    return list(cut_moved_and_joined(images, size).unbind(1))


@known("axis-squeezed")
def squeezed(images, size):
    return cut_moved_and_joined(images, size).squeeze()


@known("not-cut")
def flattened(images, size):
    return images.flatten(2)


@known("axes-in-another-order")
def rows_after_the_channels(images, size):
    b, c, h, w = images.shape
    x = images.reshape(b, c, h // size, size, w // size, size)
    return x.permute(0, 2, 1, 4, 3, 5).reshape(b, -1, c * size**2)


@known("view-after-permute")
def viewed_after_a_permute(images, size):
    b, c, h, w = images.shape
    x = images.view(b, c, h // size, size, w // size, size)
    return x.permute(0, 2, 4, 1, 3, 5).view(b, -1, c * size**2)


@known("sizes-do-not-multiply")
def as_if_it_were_square(images, size):
    b, c, h, _ = images.shape
    n = h // size
    x = images.reshape(b, c, n, size, n, size)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(b, n * n, c * size**2)


@known("sizes-not-whole")
def divided_with_one_stroke(images, size):
    b, c, h, w = images.shape
    x = images.reshape(b, c, h / size, size, w / size, size)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(b, -1, c * size**2)


@known("not-four-sizes")
def three_sizes(images, size):
    batch, height, width = images.shape
    return images.reshape(batch, height * width // size**2, size**2)


@known("loses-digits")
def collected_in_float32(images, size):
    right = cut_moved_and_joined(images, size)
    patches = torch.zeros(right.shape)
    patches[:] = right
    return patches


@known("no-gradient")
def cut_off(images, size):
    return cut_moved_and_joined(images.detach(), size)


@unlisted("there and back", lambda f: f(torch.arange(8.0).reshape(1, 1, 2, 4), 2)[0, 0, 1] != 1)
def pixels_shifted_by_one(images, size):
    return cut_moved_and_joined(images.roll(1, -1), size)


@unlisted("moves pixels only", lambda f: 5.0 not in f(torch.arange(16.0).reshape(1, 1, 4, 4), 2))
def the_first_pixel_for_all(images, size):
    patches = cut_moved_and_joined(images, size)
    return patches[..., :1].expand_as(patches)


@unlisted("moves pixels only", lambda f: f(torch.full((1, 1, 2, 2), 200.0), 2).max() < 2)
def divided_by_255(images, size):
    return cut_moved_and_joined(images, size) / 255


@unlisted(
    "patches should have shape (1, 3, 4); it has (1, 4, 4)",
    lambda f: f(torch.ones(1, 1, 2, 2), 2).shape == (1, 2, 4),
)
def one_more_in_front(images, size):
    patches = cut_moved_and_joined(images, size)
    return torch.cat((torch.zeros_like(patches[:, :1]), patches), dim=1)
