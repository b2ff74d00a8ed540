"""What fairseq loads and we never call comes when it is called, and is the same then."""

import json
import subprocess
import sys

from meta_nmt.late_imports import late

SEEN = """
import json, sys
import meta_nmt.plugin
loaded = [name for name in ("sklearn", "sklearn.metrics", "pandas", "scipy.stats") if name in sys.modules]
from fairseq.criterions import sentence_prediction as found
from fairseq.tasks import audio_classification
scores = [found.f1_score([0, 1, 1, 0], [0, 1, 0, 0]), found.pearsonr([1, 2, 3], [1, 2, 5])[0],
          audio_classification.sklearn_metrics.accuracy_score([0, 1], [0, 0])]
import sklearn.metrics, scipy.stats
real = [sklearn.metrics.f1_score([0, 1, 1, 0], [0, 1, 0, 0]), scipy.stats.pearsonr([1, 2, 3], [1, 2, 5])[0],
        sklearn.metrics.accuracy_score([0, 1], [0, 0])]
print(json.dumps({"loaded": loaded, "scores": scores, "real": real}))
"""


def test_plugin_loads_no_scikit_learn_and_fairseq_has_its_functions():
    done = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["loaded"] == []
    assert seen["scores"] == seen["real"]


def test_module_that_is_loaded_is_left_alone():
    import json.decoder

    with late("json", "json.decoder"):
        assert sys.modules["json.decoder"] is json.decoder
    assert sys.modules["json"] is json


def test_stand_ins_are_gone_after_the_context(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with late("colorsys"):
        import colorsys

        turned = colorsys.rgb_to_hsv
        assert "rgb_to_hsv" not in vars(colorsys), "nothing is loaded yet"
    assert "colorsys" not in sys.modules
    assert turned(1.0, 0.0, 0.0) == (0.0, 1.0, 1.0)
