"""Labels that are probably wrong: who is a suspect, and in which order."""

import numpy as np

from components.scores import label_errors


def test_an_image_belongs_to_a_class_that_has_at_least_what_its_own_images_have_on_average():
    labels = np.array([0, 0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9], [0.85, 0.15], [0.5, 0.5]])
    # on average 0.8 of those labelled 0, and 0.517 of those labelled 1
    assert label_errors.confident_classes(labels, probabilities).tolist() == [0, -1, 1, 0, -1]
    table = label_errors.rank_suspects(labels, probabilities)
    assert table["row"].tolist() == [3]
    assert table[["label", "suggested"]].to_numpy().tolist() == [[1, 0]]


def test_the_surest_come_first_and_a_class_without_images_has_none():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    of_first = np.array([0.95, 0.9, 0.9, 0.02, 0.1, 0.05, 0.97, 0.9])
    probabilities = np.column_stack([of_first, 0.99 - of_first, np.full(8, 0.01)])
    table = label_errors.rank_suspects(labels, probabilities)
    assert table["row"].tolist() == [3, 6, 7]
    assert (table["suggested"] != 2).all()
    assert len(label_errors.rank_suspects(labels[:3], probabilities[:3])) == 0
