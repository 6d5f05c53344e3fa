#!/bin/sh
# The calls of the API with curl, against a running `deepts serve`.
#   sh examples/curl.sh [http://127.0.0.1:8080]
set -eu
server=${1:-http://127.0.0.1:8080}

curl --fail --silent --show-error "$server/health"
echo
curl --fail --silent --show-error "$server/v1/models"
echo
curl --fail --silent --show-error "$server/v1/chat/completions" \
  --header 'content-type: application/json' \
  --data '{"model": "deepseek-v3", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 50}'
echo
curl --fail --silent --show-error --no-buffer "$server/v1/completions" \
  --header 'content-type: application/json' \
  --data '{"model": "deepseek-v3", "prompt": "Once upon a time", "max_tokens": 20, "stream": true}'
