-- What wrk asks: the requests of a file in turn, and, where a pause is given, after a pause that is drawn.
-- Arguments: the file (method, path, headers as `name=value` separated by `|`, body; tab between them), the mean pause
-- in milliseconds (0: none), a seed.

local requests = {}
local next_request = 0

local function headers_of(text)
  local headers = {}
  for name, value in text:gmatch("([^|=]+)=([^|]*)") do
    headers[name] = value
  end
  return headers
end

function init(arguments)
  for line in io.lines(arguments[1]) do
    local method, path, headers, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
    requests[#requests + 1] = wrk.format(method, path, headers_of(headers), body ~= "" and body or nil)
  end
  local pause = tonumber(arguments[2])
  math.randomseed(tonumber(arguments[3]))
  next_request = math.random(#requests)
  if pause > 0 then
    -- Exponential, as between people who know nothing of each other. wrk waits whole milliseconds.
    function delay()
      return math.floor(-pause * math.log(1 - math.random()) + 0.5)
    end
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answers": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
