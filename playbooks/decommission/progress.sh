#!/bin/sh
# How far the farewell is: what upstream's command says, and how many deliveries wait for another attempt. Upstream counts every job
# that does, and mail that nobody takes is tried for three weeks. Where Valkey does not answer, only upstream's words count.
/usr/local/sbin/mastodon-run tootctl self-destruct </dev/null
answer=$?
waiting=$(valkey-cli -e -s /run/valkey/valkey.sock --raw eval '
local number, from = 0, 0
repeat
  local jobs = redis.call("zrange", "retry", from, from + 999)
  for _, job in ipairs(jobs) do
    if string.find(job, "\"class\": ?\"ActivityPub::DeliveryWorker\"") then number = number + 1 end
  end
  from = from + 1000
until #jobs == 0
return number' 0) && echo "Deliveries that wait for another attempt: $waiting"
exit "$answer"
