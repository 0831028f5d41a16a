"""The embedded data are those that scikit-learn loads, read without importing it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from eproxyctl.tasks.embedded import handwritten_digits, photographs


def test_digits_and_photographs_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits, load_sample_images

    digits, ours = load_digits(), handwritten_digits()
    assert ours.images.dtype == digits.images.dtype
    assert np.array_equal(ours.images, digits.images)
    assert np.array_equal(ours.target, digits.target)
    theirs = load_sample_images().images
    assert len(photographs()) == len(theirs) == 2
    assert all(np.array_equal(one, other) for one, other in zip(photographs(), theirs, strict=True))


def test_neither_scikit_learn_nor_rich_is_imported_for_a_minibatch() -> None:
    text = (
        "import sys\n"
        "from eproxyctl.tasks.images import ImagesTask as T\n"
        "for kind in ('digits', 'photos'):\n"
        "    T(T.Options.model_validate({'source': {'kind': kind}, 'resolution': 8})).batch(0)\n"
        "print({'sklearn', 'rich', 'typer'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
