#!/bin/sh
# The first process of a container: `sh init.sh bash -c COMMAND`. The kernel shields the first process from signals
# that it does not handle, so a command that is first itself cannot be ended kindly; this shell hands the end on to
# all others. The command runs in the image's own shell: in sh where it has no bash.
child=
pass_on() {
  if [ "$$" = 1 ]; then kill -TERM -1; else kill -TERM "$child"; fi 2>/dev/null
}
trap pass_on TERM INT HUP
if ! command -v "$1" >/dev/null 2>&1; then
  shift
  set -- sh "$@"
fi
export PYTHONPATH="/bis/probe${PYTHONPATH:+:$PYTHONPATH}"
python=$(command -v python3 || command -v python)
if [ -S /bis/socket/tracking ] && [ -n "$python" ]; then
  set -- "$python" -I -S /bis/inside/forward.py /bis/socket/tracking "$@"
fi
"$@" &
child=$!
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || exit "$code"
done
