"""The five studies: their networks have the parameters that were published, as this project builds and cuts them."""

import keras
import pytest

from components.model import backbones, benchmark, heads
from components.model.cut import cut

BACKBONES = {"vgg16": 14_714_688, "vgg19": 20_024_384, "resnet50": 23_587_712}
IMAGE_SIZE = 224  # pixels

# Backbone, head, classes, first layer to train (none: the head alone): trainable, frozen, total.
STUDIES = {
    "car damage, frozen": ("vgg16", "hidden", 3, None, 33_027, 14_714_688, 14_747_715),
    "car damage, fine-tuned": ("vgg16", "hidden", 3, "block5_conv3", 2_392_835, 12_354_880, 14_747_715),
    "car damage, fine-tuned deeper": ("vgg16", "hidden", 3, "block5_conv2", 4_752_643, 9_995_072, 14_747_715),
    "KTH animals, frozen": ("vgg19", "linear", 19, None, 9_747, 20_024_384, 20_034_131),
    "KTH animals, fine-tuned": ("vgg19", "linear", 19, "last_block", 9_448_979, 10_585_152, 20_034_131),
    "groceries, frozen": ("resnet50", "linear", 25, None, 51_225, 23_587_712, 23_638_937),
    "groceries, fine-tuned": ("resnet50", "linear", 25, "last_block", 4_510_745, 19_128_192, 23_638_937),
    "traffic lights": ("vgg16", "conv", 3, None, 199_267, 14_714_688, 14_913_955),
    "sign language": ("vgg16", "linear", 10, "last_block", 7_084_554, 7_635_264, 14_719_818),
}


@pytest.fixture(scope="module")
def network():
    """Return a backbone by its name, built once, all of it trainable."""
    built: dict[str, keras.Model] = {}

    def build(name: str) -> keras.Model:
        if name not in built:
            built[name] = backbones.get(name).build(IMAGE_SIZE)
        built[name].trainable = True
        return built[name]

    return build


def count(weights: list[keras.Variable]) -> int:
    return int(sum(keras.ops.size(weight) for weight in weights))


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_have_the_parameters_of_the_studies(name, network):
    assert network(name).count_params() == BACKBONES[name]


@pytest.mark.parametrize("study", STUDIES)
def test_trainable_frozen_and_all_parameters_are_those_of_the_study(study, network):
    """Batch normalisation counts as frozen, also where its block is open."""
    name, head, classes, unfreeze, trainable, frozen, total = STUDIES[study]
    entry, body = backbones.get(name), network(name)
    pooling = heads.HEADS[head].pooling
    if unfreeze:
        prefix, suffix = cut(body, entry.first_trainable(unfreeze))
        assert count(prefix.trainable_weights) == 0
        assert suffix.trainable_weights == body.trainable_weights
    else:
        body.trainable = False
    features = backbones.pooling(pooling)(body.output)
    model = keras.Model(body.input, heads.build(head, pooling, features.shape[1:], classes, 0.5)(features))
    assert (count(model.trainable_weights), count(model.non_trainable_weights)) == (trainable, frozen)
    assert model.count_params() == total


def test_the_last_block_of_resnet50_is_eleven_layers_with_the_pooling_and_frozen_batch_normalisation(network):
    _, suffix = cut(network("resnet50"), backbones.get("resnet50").first_trainable("last_block"))
    layers = [layer for layer in suffix.layers if not isinstance(layer, keras.layers.InputLayer)]
    assert len(layers) + 1 == 11 and all(layer.name.startswith("conv5_block3_") for layer in layers)
    normalisations = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert count([weight for layer in normalisations for weight in (layer.gamma, layer.beta)]) == 4_516_889 - 4_510_745
    assert not any(layer.trainable for layer in normalisations)


def test_the_benchmark_is_the_network_of_the_kth_study():
    network = benchmark.build("cnn", IMAGE_SIZE, 19, width=64, stages=5)
    assert network.count_params() == count(network.trainable_weights) == 3_920_531
    convolutions = [layer.filters for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert convolutions == [64, 128, 256, 512, 512]
    assert [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)] == [0.5, 0.4, 0.3]
