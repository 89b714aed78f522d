# shellcheck shell=sh
# The journal takes part in formatting; the second NameNode begins as a copy of the first.
set -e
@journal@ &
journal=$!
trap 'kill $journal; wait $journal || true' EXIT
@format@
cp -r nn1 nn2
