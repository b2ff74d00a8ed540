# Shared by every recipe and by tests/run.sh: source it. Variables that a user may set:
#   OUTPUTS   where recipes write (default: outputs/ in the repository)
#   VENV      the virtual environment (default: .venv in the repository)
#   PYTHON    the Python that it is made of (default: the newest of python3.14 ... python3.11 that can make one)
#   EXTRAS    extras of the package that are installed (default: what the recipes need; for tests: dev)
#   INSTALL   0: use the commands that are there, and install nothing
#   DRY_RUN   1: print the commands of every stage instead of running them
set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# recipes run in the repository, so that commands and reports have short paths; a path given by the user counts from
# the folder that the user is in
[[ "${OUTPUTS:=$REPO/outputs}" == /* ]] || OUTPUTS=$PWD/$OUTPUTS
OUTPUTS=${OUTPUTS#"$REPO"/}
VENV=${VENV:-$REPO/.venv}
EXTRAS=${EXTRAS:-export,hub,serve}
INSTALL=${INSTALL:-1}
DRY_RUN=${DRY_RUN:-0}
readonly OLDEST=11 NEWEST=14 # Python 3.X
readonly TORCH=2.13.0 FAIRSEQ=0.12.3.1 DRIVER=580 # the build of torch with CUDA 13 needs a driver from 580 on

# die MESSAGE: one line on stderr, exit status 2
die() {
  echo "${0##*/}: error: $1" >&2
  exit 2
}

# need_folder VARIABLE WHAT: the variable must name a folder that exists; it is made an absolute path
need_folder() {
  local name=$1 what=$2
  [[ -n "${!name:-}" ]] || die "$name is not set: it must name $what"
  [[ -d "${!name}" ]] || die "$name must name $what, but ${!name} is no folder"
  printf -v "$name" '%s' "$(cd "${!name}" && pwd)"
}

((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || die "bash must be 4.4 or later, but is $BASH_VERSION"

# digest: the SHA-256 of standard input; macOS has no sha256sum
digest() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16
}

# is_suitable PYTHON: whether it runs and has a version that the package allows
is_suitable() {
  "$1" -c "import sys; sys.exit(not (3, $OLDEST) <= sys.version_info[:2] <= (3, $NEWEST))" >/dev/null 2>&1
}

# makes_venvs PYTHON: whether it has what a virtual environment with pip is made of
makes_venvs() {
  "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

# find_python: prints the Python for the virtual environment; where there is none, one line says what is missing
find_python() {
  local minor candidate without_venv=
  local range="3.$OLDEST to 3.$NEWEST"
  if [[ -n "${PYTHON:-}" ]]; then
    is_suitable "$PYTHON" ||
      die "PYTHON must be a Python $range, but is $PYTHON: $("$PYTHON" --version 2>&1 | head -n 1)"
    makes_venvs "$PYTHON" || die "$PYTHON has no venv and pip (Debian: sudo apt-get install python3-venv)"
    echo "$PYTHON"
    return
  fi
  for ((minor = NEWEST; minor >= OLDEST; minor--)); do
    for candidate in "python3.$minor" python3; do
      is_suitable "$candidate" || continue
      [[ "$("$candidate" -c 'import sys; print(sys.version_info[1])')" == "$minor" ]] || continue
      if makes_venvs "$candidate"; then
        echo "$candidate"
        return
      fi
      without_venv=$candidate
    done
  done
  [[ -z "$without_venv" ]] ||
    die "$without_venv has no venv and pip (Debian: sudo apt-get install $without_venv-venv)"
  die "a Python $range must be there, but python3 is $(python3 --version 2>&1 | head -n 1); PYTHON=... names another"
}

# the version of the NVIDIA driver; nothing where there is no GPU, or none that answers
driver_version() {
  nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1 || true
}

# wants_cuda: whether there is a GPU that torch's build with CUDA can use; says where there is one that it cannot
wants_cuda() {
  local driver
  driver=$(driver_version)
  if [[ "$driver" =~ ^[0-9]+ ]] && ((BASH_REMATCH[0] >= DRIVER)); then return 0; fi
  if [[ -n "$driver" ]]; then
    echo "   the GPU is not used: torch $TORCH needs an NVIDIA driver from $DRIVER on, but it is $driver"
  elif [[ -e /proc/driver/nvidia/version ]] || compgen -G '/dev/nvidia[0-9]*' >/dev/null; then
    echo "   the GPU is not used: nvidia-smi does not answer; is the driver whole?"
  fi
  return 1
}

# check_disk GIGABYTES: one line and the end unless the disk of the virtual environment has so much room
check_disk() {
  local free
  free=$(df -Pk "$(dirname "$VENV")" | awk 'NR == 2 { print int($4 / 1048576) }')
  ((free >= $1)) || die "$1 GB must be free for $VENV, but $free are; VENV=... names another place"
}

# pip_install TITLE ARGUMENT...: all that pip says goes to the log
pip_install() {
  echo "== $1"
  shift
  logged "$VENV/install.log" "$VENV/bin/python" -m pip install --quiet --retries 2 "$@"
}

install_torch() {
  local torch=torch==$TORCH cpu=https://download.pytorch.org/whl/cpu
  local have
  have=$("$VENV/bin/python" -c 'import torch; print(torch.__version__)' 2>/dev/null || true)
  [[ "${have%%+*}" == "$TORCH" ]] && return
  if wants_cuda; then
    check_disk 10
    pip_install "Install torch with CUDA (about 3 GB)" "$torch"
    "$VENV/bin/python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
      echo "   the GPU is not used: torch cannot use it (torch.cuda.is_available() is False)"
    return
  fi
  check_disk 4
  # without a GPU the CPU build is enough, and a tenth of the size; for macOS there is no other
  if [[ "$(uname -s)" == Linux ]]; then
    pip_install "Install torch for the CPU (about 200 MB)" --timeout 30 --index-url "$cpu" "$torch" 2>/dev/null &&
      return
    echo "   $cpu cannot be had: this is PyPI's build, which may be one with CUDA (about 3 GB)"
  fi
  pip_install "Install torch" "$torch"
}

install_package() {
  install_torch
  pip_install "Install what builds packages" 'setuptools<81' wheel
  # no compiler: with READTHEDOCS set, fairseq leaves out its compiled parts, which meta_nmt/compat.py stands in for
  READTHEDOCS=1 pip_install "Install fairseq" --no-build-isolation --no-deps "fairseq-fixed==$FAIRSEQ"
  (cd "$REPO" && pip_install "Install the package ($EXTRAS)" --no-build-isolation --editable ".[$EXTRAS]")
}

# stamp_of EXTRAS: the file that says that these are installed, for this setup.py
stamp_of() {
  echo "$VENV/installed-$(cat "$REPO/setup.py" "$REPO/recipes/common.sh" | digest)-$1"
}

# make_venv: a new virtual environment; one that is half-made, or whose Python is gone, is made anew
make_venv() {
  local python
  if [[ ! -e "$VENV.unfinished" ]] && "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    return
  fi
  if [[ -e "$VENV" ]]; then
    [[ -e "$VENV/pyvenv.cfg" || -e "$VENV.unfinished" ]] ||
      die "VENV must name a virtual environment, or nothing yet, but $VENV is something else"
    echo "   $VENV is unfinished or broken: it is made anew"
  fi
  python=$(find_python)
  mkdir -p "$(dirname "$VENV")"
  check_disk 4
  touch "$VENV.unfinished"
  "$python" -m venv --clear "$VENV"
}

# Makes the virtual environment and installs the package, unless that was done for this setup.py; then uses it.
ensure_venv() {
  local start=$SECONDS
  [[ "$DRY_RUN" == 1 || "$INSTALL" == 0 ]] && return
  if [[ ! -f "$(stamp_of "$EXTRAS")" && ! -f "$(stamp_of dev)" ]]; then
    echo "== Install into $VENV"
    make_venv
    install_package
    rm -f "$VENV.unfinished"
    touch "$(stamp_of "$EXTRAS")"
    echo "   installed in $((SECONDS - start)) s"
  fi
  export PATH="$VENV/bin:$PATH"
}

# start_recipe NAME: installs what is needed; RUN is the folder that the recipe's stages write to
start_recipe() {
  RUN=$OUTPUTS/$1
  ensure_venv
  [[ "$INSTALL" == 0 ]] || cd "$REPO"
  [[ "$DRY_RUN" == 1 ]] || mkdir -p "$RUN"
}

# run COMMAND...: runs it; in a dry run prints it
run() {
  if [[ "$DRY_RUN" == 1 ]]; then
    printf '+'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

# watch LOG START: until it is ended, one line that says how long a command has run, and what its log says last
watch() {
  while sleep 2 && kill -0 $$ 2>/dev/null; do
    printf '\r\033[K   %s s: %.100s' "$((SECONDS - $2))" "$(tail -c 1000 "$1" | tr '\r' '\n' | tail -n 1)"
  done
}

# logged LOG COMMAND...: runs the command; all that it says goes to the file LOG. On a terminal its last words are shown
# while it runs; of a command that fails, the last lines.
logged() {
  local log=$1 start=$SECONDS status=0 watcher= warnings
  shift
  if [[ -t 1 ]]; then
    watch "$log" "$start" &
    watcher=$!
  fi
  "$@" >>"$log" 2>&1 || status=$?
  if [[ -n "$watcher" ]]; then
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    printf '\r\033[K'
  fi
  if [[ "$status" != 0 ]]; then
    tail -n 5 "$log" >&2
    echo "${0##*/}: error: this stage ended with status $status; $log has all that it said; run the recipe again" >&2
    return "$status"
  fi
  warnings=$(grep -c '^warning: ' "$log" || true)
  echo "   done in $((SECONDS - start)) s$([[ "$warnings" == 0 ]] || echo "; warnings in the log: $warnings")"
}

# stage OUTPUT TITLE COMMAND...: runs the command, which makes the folder $RUN/OUTPUT, with $RUN/OUTPUT.log as its log.
# Skipped when it finished before with the same command after the same earlier stages; started afresh, without the old
# folder, when those differ.
STAGES_SO_FAR=
stage() {
  local output=$RUN/$1 title=$2 state
  shift 2
  echo "== $title"
  if [[ "$DRY_RUN" == 1 ]]; then
    run "$@"
    return
  fi
  STAGES_SO_FAR=$(printf '%s\n' "$STAGES_SO_FAR" "$@" | digest)
  state=$(cat "$output.stage" 2>/dev/null || true)
  if [[ "$state" == "$STAGES_SO_FAR finished" ]]; then
    echo "   finished before: ${output#"$REPO"/}"
    return
  fi
  [[ "$state" == "$STAGES_SO_FAR started" ]] || rm -rf "$output" "$output.log"
  mkdir -p "$(dirname "$output")"
  echo "$STAGES_SO_FAR started" >"$output.stage"
  echo "   log: $output.log"
  logged "$output.log" "$@"
  echo "$STAGES_SO_FAR finished" >"$output.stage"
}
