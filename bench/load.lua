-- wrk sends what a file holds: each record is a line with its length, then that many bytes of HTTP. Records go out
-- in order and once each as long as they last, so that a decision meets every post only once. The mark below stands
-- for an idempotency key: 36 characters that no other request of the run has. A third argument is the pause before
-- each request, in milliseconds.
local MARK = "KEY-KEY-KEY-KEY-KEY-KEY-KEY-KEY-KEY-"
local records, sent, tag, pause = {}, 0, 0, 0
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  while true do
    local length = file:read("*l")
    if not length then break end
    records[#records + 1] = file:read(tonumber(length))
  end
  file:close()
  tag = tonumber(arguments[2])
  pause = tonumber(arguments[3] or "0")
  -- Each thread takes a part of its own.
  sent = math.floor(number * #records / 2)
end

function delay()
  -- Spread around the mean, so that the connections do not march in step.
  return pause * (0.5 + math.random())
end

function request()
  local record = records[sent % #records + 1]
  sent = sent + 1
  local from, to = record:find(MARK, 1, true)
  if not from then return record end
  return record:sub(1, from - 1) .. string.format("%08x-%04x-4000-8000-%012x", tag, number, sent) .. record:sub(to + 1)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"max":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
