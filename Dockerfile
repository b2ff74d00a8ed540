# A translator folder behind a page and an API:
#   docker build -t meta-nmt .
#   docker run --rm -p 8000:8000 -v "$PWD/models/yo-en:/model:ro" meta-nmt
# For a GPU: docker build --build-arg TORCH_INDEX=https://pypi.org/simple -t meta-nmt:cuda .
#            docker run --gpus all ...
# Every other command of the package is there too: docker run --rm meta-nmt meta-nmt-translate --help

FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# the same versions, order and extras as in recipes/common.sh; nothing is compiled
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --index-url "$TORCH_INDEX" torch==2.13.0
RUN pip install 'setuptools<81' wheel
RUN READTHEDOCS=1 pip install --no-build-isolation --no-deps fairseq-fixed==0.12.3.1
WORKDIR /src
COPY setup.py pyproject.toml README.md LICENSE ./
COPY data_prep ./data_prep
COPY meta_nmt ./meta_nmt
COPY recipes ./recipes
RUN pip install --no-build-isolation '.[export,hub,serve]'

FROM python:3.11-slim-bookworm
COPY --from=build /opt/venv /opt/venv
# the page is for whoever reaches the container's port; a user without rights serves it
RUN useradd --create-home translator
USER translator
WORKDIR /home/translator
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 8000
CMD ["meta-nmt-serve", "/model", "--host", "0.0.0.0"]
