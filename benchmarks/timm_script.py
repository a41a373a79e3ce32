"""What a person would write with PyTorch and timm for the same work; run by a Python of its own that has them.

    python timm_script.py extract|fine_tune NETWORK FOLDER --size PIXELS --precision float32|bfloat16 ...

Prints the seconds an image as JSON. Importing, building and a first batch are left out of them. Images are read from
files by a DataLoader's workers, tensors are channels-last, and bfloat16 is autocast's.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import nullcontext
from time import perf_counter

import timm
import torch
from torchvision import datasets, transforms

NETWORKS = {"vgg16": "vgg16", "resnet50": "resnet50", "mobilenet_v2": "mobilenetv2_100"}
BATCH = 32


def trained_modules(name: str, network: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the modules of a network's last block: VGG16's fifth, the last residual block of the others."""
    if name == "vgg16":
        return list(network.features[24:])
    if name == "resnet50":
        return [network.layer4[-1]]
    return [network.blocks[-1], network.conv_head]


class Classifier(torch.nn.Module):
    """A network without its top, the mean over its maps, and a linear layer; all but its last block is frozen."""

    def __init__(self, name: str, classes: int):
        super().__init__()
        self.network = timm.create_model(NETWORKS[name], pretrained=False)
        self.head = torch.nn.Linear(self.network.num_features, classes)
        for parameter in self.network.parameters():
            parameter.requires_grad = False
        for module in trained_modules(name, self.network):
            for part in module.modules():
                if not isinstance(part, torch.nn.BatchNorm2d):
                    for parameter in part.parameters(recurse=False):
                        parameter.requires_grad = True

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return pooled features, (n, channels), of images (n, 3, size, size)."""
        return self.network.forward_features(images).mean((2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))


def read_batches(folder: str, size: int, limit: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of images and labels, read by two workers: at most `limit` images, all where it is 0."""
    prepare = transforms.Compose([
        transforms.Resize((size, size)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)
    ])  # fmt: skip
    images = datasets.ImageFolder(folder, prepare)
    rows = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[: limit or len(images)]
    part = torch.utils.data.Subset(images, rows.tolist())
    yield from torch.utils.data.DataLoader(part, BATCH, num_workers=2)


def main() -> None:
    """Time the work that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=("extract", "fine_tune"))
    parser.add_argument("network", choices=[*NETWORKS])
    parser.add_argument("folder")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), required=True)
    parser.add_argument("--images", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(0)
    model = Classifier(options.network, 4).to(memory_format=torch.channels_last).eval()
    autocast = torch.autocast("cpu", torch.bfloat16) if options.precision == "bfloat16" else nullcontext()
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], 1e-6)

    def run_batch(images: torch.Tensor, labels: torch.Tensor) -> None:
        images = images.to(memory_format=torch.channels_last)
        if options.work == "extract":
            with torch.inference_mode(), autocast:
                model.features(images)
            return
        with autocast:
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    run_batch(torch.zeros(BATCH, 3, options.size, options.size), torch.zeros(BATCH, dtype=torch.long))
    start, done = perf_counter(), 0
    for images, labels in read_batches(options.folder, options.size, options.images):
        run_batch(images, labels)
        done += len(images)
    print(
        json.dumps(
            {"seconds_an_image": (perf_counter() - start) / done, "versions": [torch.__version__, timm.__version__]}
        )
    )


if __name__ == "__main__":
    main()
