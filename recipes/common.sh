# Shared by every recipe and by tests/run.sh: source it. Variables that a user may set:
#   OUTPUTS   where recipes write (default: outputs/ in the repository)
#   VENV      the virtual environment (default: .venv in the repository)
#   DRY_RUN   1: print the commands of every stage instead of running them
set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# recipes run in the repository, so that commands and reports have short paths; a path given by the user counts from
# the folder that the user is in
[[ "${OUTPUTS:=$REPO/outputs}" == /* ]] || OUTPUTS=$PWD/$OUTPUTS
OUTPUTS=${OUTPUTS#"$REPO"/}
VENV=${VENV:-$REPO/.venv}
DRY_RUN=${DRY_RUN:-0}

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

install_package() {
  local pip=("$VENV/bin/python" -m pip install --quiet)
  if nvidia-smi >/dev/null 2>&1; then
    "${pip[@]}" torch==2.13.0
  else # without a GPU the CPU build is enough, and a tenth of the size
    "${pip[@]}" --quiet --retries 1 --timeout 30 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 ||
      "${pip[@]}" torch==2.13.0
  fi
  # built from source on Python 3.11: with its needs installed first, the build has no environment of its own to fill
  "${pip[@]}" 'numpy<2.5' cython 'setuptools<81' wheel ninja
  "${pip[@]}" --no-build-isolation fairseq-fixed==0.12.3.1
  (cd "$REPO" && "${pip[@]}" --no-build-isolation --editable '.[dev]')
}

# Makes the virtual environment and installs the package, unless that was done for this setup.py; then uses it.
ensure_venv() {
  [[ "$DRY_RUN" == 1 ]] && return
  local stamp
  stamp="$VENV/installed-$(sha256sum "$REPO/setup.py" "$REPO/recipes/common.sh" | sha256sum | cut -c1-16)"
  if [[ ! -f "$stamp" ]]; then
    echo "== Install into $VENV (the first time about 5 minutes: fairseq is compiled)"
    python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' ||
      die "python3 must be 3.11 or 3.12, but is $(python3 --version 2>&1)"
    [[ -x "$VENV/bin/python" ]] || python3 -m venv "$VENV"
    install_package
    touch "$stamp"
  fi
  export PATH="$VENV/bin:$PATH"
}

# start_recipe NAME: installs what is needed; RUN is the folder that the recipe's stages write to
start_recipe() {
  RUN=$OUTPUTS/$1
  ensure_venv
  cd "$REPO"
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
  STAGES_SO_FAR=$(printf '%s\n' "$STAGES_SO_FAR" "$@" | sha256sum | cut -c1-16)
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
