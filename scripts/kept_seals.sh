#!/bin/sh
# Fetch the seals that the last night kept ($1), and see that this repository's workflow attested them. The first night
# has none. Needs gh, and GH_TOKEN.
set -eu
seals=$1
kept=$(gh api "repos/$GITHUB_REPOSITORY/actions/artifacts?name=seals&per_page=1" --jq '.artifacts[0].id // empty')
if [ -z "$kept" ]; then
  echo "No seals were kept so far: the whole ledger is proven."
  exit
fi
gh api "repos/$GITHUB_REPOSITORY/actions/artifacts/$kept/zip" > seals.zip
unzip -o -q seals.zip "$(basename "$seals")"
gh attestation verify "$seals" --repo "$GITHUB_REPOSITORY"
