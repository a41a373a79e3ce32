"""Fingerprints: digests, from content alone, that identify results in the journal."""

import hashlib
import json

import pandas as pd

from components.data.content import sha256


def fingerprint(classifier_digest: str, views: str, augmented_digest: str, test_split_digest: str) -> str:
    """Return the SHA-256, 64 hexadecimal digits, of a classifier, its views at prediction, and its test images.

    Args:
        classifier_digest: Digest of the classifier.
        views: `plain` or `averaged`.
        augmented_digest: Digest of the views; without influence where they are plain.
        test_split_digest: Digest of the test images with their labels.
    """
    averaged = [] if views == "plain" else [augmented_digest]
    return sha256(classifier_digest, views, *averaged, test_split_digest)


def test_split_digest(fetch_digest: str, predictions_table: pd.DataFrame) -> str:
    """Return the digest, 32 hexadecimal digits, of a data set's test images with their labels, in whatever order.

    Models that share it can be compared in pairs.

    Args:
        fetch_digest: Digest of the data set, which the lineage has under `fetch`.
        predictions_table: One row a test image, with its file and its label.
    """
    rows = sorted(zip(predictions_table["file"], predictions_table["label"], strict=True))
    return hashlib.sha256(json.dumps([fetch_digest, rows]).encode()).hexdigest()[:32]
