"""The two small networks that find and frame faces. Needs torch, so it is imported where they are used."""

import torch
from torch import nn


def convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two convolutions beside a shortcut, halving the grid where `stride` is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.first = convolution(inputs, outputs, stride)
        self.second = convolution(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, stride, kernel=1)

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.shortcut(x_BCHW) + self.second(torch.relu(self.first(x_BCHW))))


class GeometryNetwork(nn.Module):
    """A crop of 64 x 64 pixels -> landmarks, pose, gaze and whether it is a face; 0.9 million parameters.

    Outputs 142 values: 68 x and y, in sides of the crop from its middle; yaw, pitch, roll and gaze to the left and up
    in radians; the logit of "this is a face".
    """

    LANDMARKS, ANGLES = slice(0, 136), slice(136, 141)

    def __init__(self, widths: tuple[int, ...] = (24, 48, 88, 112)):
        super().__init__()
        first, second, third, fourth = widths
        self.trunk = nn.Sequential(
            convolution(3, first, stride=2),
            nn.ReLU(),
            Residual(first, first),
            Residual(first, second, stride=2),
            Residual(second, second),
            Residual(second, third, stride=2),
            Residual(third, third),
            Residual(third, fourth, stride=2),
        )
        # Every place has weights of its own. Without normalisation before it such a head stood still (LOG.md).
        self.head = nn.Sequential(
            nn.Conv2d(fourth, 64, 1, bias=False),
            nn.Flatten(),
            nn.BatchNorm1d(64 * 16),
            nn.ReLU(),
            nn.Linear(64 * 16, 128, bias=False),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Linear(128, 142),
        )

    def forward(self, pixels_B3HW: torch.Tensor) -> torch.Tensor:
        """Args: (batch, 3, 64, 64), each picture standardised. Returns: (batch, 142)."""
        return self.head(self.trunk(pixels_B3HW))


class FinderNetwork(nn.Module):
    """A picture of any size -> for each 8 x 8 pixels the logit that a face's middle lies there, and its box; 0.35
    million parameters.

    Outputs (batch, 4, height / 8, width / 8): logit; the middle's x and y from the cell's middle, in cells; log2 of
    the box's side over 32 pixels. Height and width are multiples of 64.
    """

    STRIDE, UNIT, MULTIPLE = 8, 32, 64

    def __init__(self, widths: tuple[int, ...] = (16, 24, 40, 56, 64, 64)):
        super().__init__()
        stem, quarter, eighth, sixteenth, half, whole = widths
        self.fine = nn.Sequential(
            convolution(3, stem, stride=2),
            nn.ReLU(),
            Residual(stem, quarter, stride=2),
            Residual(quarter, eighth, stride=2),
        )
        self.coarser = nn.ModuleList(
            [
                nn.Sequential(Residual(eighth, sixteenth, stride=2), Residual(sixteenth, sixteenth)),
                nn.Sequential(Residual(sixteenth, half, stride=2)),
                nn.Sequential(Residual(half, whole, stride=2)),
            ]
        )
        self.across = nn.ModuleList([convolution(width, 40, kernel=1) for width in (eighth, sixteenth, half, whole)])
        self.smooth = nn.ModuleList([convolution(40, 40) for _ in range(3)])
        self.output = nn.Conv2d(40, 4, 1)
        nn.init.constant_(self.output.bias, 0)
        nn.init.constant_(self.output.bias[:1], -4.0)  # most cells are empty

    def forward(self, pixels_B3HW: torch.Tensor) -> torch.Tensor:
        """Args: (batch, 3, height, width), each picture standardised."""
        maps = [self.fine(pixels_B3HW)]
        for step in self.coarser:
            maps.append(step(maps[-1]))
        x = torch.relu(self.across[-1](maps[-1]))
        for level in (2, 1, 0):
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = torch.relu(self.smooth[level](torch.relu(x + self.across[level](maps[level]))))
        return self.output(x)


def folded(network: nn.Module) -> nn.Module:
    """The network ready for use: every normalisation folded into the convolution before it."""
    network.eval()
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for place in range(len(module) - 1):
                if isinstance(module[place], nn.Conv2d) and isinstance(module[place + 1], nn.BatchNorm2d):
                    module[place] = nn.utils.fusion.fuse_conv_bn_eval(module[place], module[place + 1])
                    module[place + 1] = nn.Identity()
    return network.to(memory_format=torch.channels_last).requires_grad_(False)
