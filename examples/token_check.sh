#!/bin/sh
# A job that asks the store, before each step that must not be done twice, whether it still leads.
#
#   coordsidecar --name ledger -- examples/token_check.sh /tmp/ledger
#
# `coordsidecar check` finds the election in the environment that the sidecar gave to this job. Its
# answer is true when the store gives it, and not for long after: keep the step short. It starts a
# Python interpreter each time, so it is for steps that are worth a tenth of a second.
set -u
ledger=$1

while :; do
    # Here would be the long work, which may be done twice.
    entry="token $COORDSIDECAR_TOKEN, pid $$"

    # 0: we lead. 1: somebody else does. 125: the store cannot be asked. Only 0 is a yes.
    coordsidecar check "$COORDSIDECAR_TOKEN" || exit 1
    # The step that must not be done twice.
    printf '%s\n' "$entry" >>"$ledger"

    sleep 1
done
