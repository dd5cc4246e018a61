-- What wrk sends and how it reports. "wrk -s wrk.lua URL -- MODE ..." with one of the modes
--   fixed                the URL again and again; wrk then never calls into Lua while it runs
--   paths PATH ...       these paths in turn
--   pipeline DEPTH       the URL, DEPTH requests in one write
--   paced MEAN_MS SEED   the URL, each connection pausing 0 to 2 * MEAN_MS after every answer

function init(args)
  local mode = args[1]
  if mode == "paths" then
    local requests = {}
    for at = 2, #args do
      requests[#requests + 1] = wrk.format("GET", args[at])
    end
    local at = 0
    request = function()
      at = at % #requests + 1
      return requests[at]
    end
  elseif mode == "pipeline" then
    local batch = string.rep(wrk.format("GET"), tonumber(args[2]))
    request = function() return batch end
  elseif mode == "paced" then
    local mean = tonumber(args[2])
    math.randomseed(tonumber(args[3]))
    delay = function() return math.random(0, 2 * mean) end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"micros":%d,"bytes":%d,"p50Micros":%d,"p99Micros":%d,' ..
    '"connectErrors":%d,"readErrors":%d,"writeErrors":%d,"timeouts":%d,"statusErrors":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
