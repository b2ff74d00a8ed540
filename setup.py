"""The package: metadata, dependency ranges and console scripts. Tool settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

COMMANDS = (
    *("preprocess", "add-language", "train", "adapt", "generate", "translate"),
    *("evaluate", "report", "export", "serve", "quickstart"),
)
QUICKSTART = ("quickstart.sh", "low_resource.sh", "common.sh", "above_joint.py")  # what meta-nmt-quickstart runs
EXTRAS = {
    "serve": ["fastapi>=0.115,<1", "h11>=0.14,<1", "uvicorn>=0.30,<1"],  # meta-nmt-serve
    "hub": ["datasets>=2.20,<6"],  # corpora of the hub, in manifests
    "export": ["ctranslate2>=4.5,<5"],  # translator folders for CTranslate2
    "vectors": ["gensim>=4.4,<5; python_version<'3.14'"],  # --vector-method; no wheels for 3.14 yet
    "language-id": ["py3langid>=0.4,<1"],  # --language-id
    "logging": ["tensorboard>=2.18,<3", "wandb>=0.17,<1"],  # of training
}
EXTRAS["all"] = [package for packages in EXTRAS.values() for package in packages]

setup(
    name="meta-nmt",
    version="0.1.0",
    description="Meta-learned translation for languages with a few hundred parallel sentences",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="meta_nmt authors",
    license="MIT",
    python_requires=">=3.11,<3.15",
    # data_prep is installed under the name that it has in a clone (docs/architecture.md says why)
    packages=[*find_packages(include=["meta_nmt", "meta_nmt.*", "data_prep", "data_prep.*"]), "meta_nmt.recipes"],
    package_dir={"meta_nmt.recipes": "recipes"},
    package_data={
        "meta_nmt": ["py.typed", "starters/**"],
        "data_prep": ["py.typed"],
        "meta_nmt.serving": ["page/*"],
        "meta_nmt.report": ["page.*"],
        "meta_nmt.recipes": [*QUICKSTART, "real_language/*"],
    },
    install_requires=[
        "torch>=2.6,<2.14",
        "fairseq-fixed>=0.12.3.1,<0.13",
        "numpy>=2.0,<2.5",
        "sentencepiece>=0.2,<0.3",
        "jinja2>=3.1,<4",
        "langcodes>=3.4,<4",
        "language-data>=1.2,<2",  # the names of languages in langcodes
        "matplotlib>=3.9,<4",
        "pyarrow>=18,<30",
        "pydantic>=2.9,<3",
        "PyYAML>=6.0.1,<7",
        "regex>=2024.5.15,<2028",  # properties of characters that the standard library does not know
        "sacrebleu>=2.4,<3",
        "scikit-learn>=1.5,<2",
        "scipy>=1.13,<2",
        "submitit>=1.5,<2",
        "threadpoolctl>=3.2,<4",
        "tqdm>=4.66.3,<5",
        "xxhash>=3.4,<5",
    ],
    extras_require={
        **EXTRAS,
        # what unbabel-comet 2.2 needs; it asks for numpy below 2 itself, so it is installed after these with --no-deps
        "comet": [
            "entmax>=1.1,<2",
            "jsonargparse>=3.13.1,<5",
            "protobuf>=4.24,<7",
            "pytorch-lightning>=2.2,<3",
            "torchmetrics>=0.10.2,<0.11",
            "transformers>=4.40,<5",
        ],
        # the documentation site; docs/conf.py says why these
        "docs": [*EXTRAS["serve"], "sphinx>=8.2,<10", "furo>=2025.7", "myst-nb>=1.3,<2"],
        "dev": [  # lint, types and tests; the tests use what the extras of the commands bring
            *(package for name in ("serve", "hub", "export", "vectors", "language-id") for package in EXTRAS[name]),
            "build>=1.2,<2",
            "httpx>=0.27,<1",  # fastapi's test client
            "hypothesis>=6.100,<7",
            "mypy>=1.10,<3",
            "pillow>=10,<13",  # benchmarks/few_shot/run.py reads drawings
            "playwright>=1.48,<2",  # drives Debian's Chromium in the tests of pages
            "pytest>=8,<10",
            "pytest-xdist>=3.5,<4",
            "ruff>=0.6,<1",
        ],
    },
    # each main() returns its exit status, which the generated script passes to sys.exit
    entry_points={
        "console_scripts": [f"meta-nmt-{name} = meta_nmt.cli.{name.replace('-', '_')}:main" for name in COMMANDS]
    },
    classifiers=[
        "License :: OSI Approved :: MIT License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
    ],
)
