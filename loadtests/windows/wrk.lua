-- Run by wrk: `wrk ... -s wrk.lua URL -- NAME=VALUE...`. Prints what was done as one line of JSON.
-- Nothing here is called for each request, unless several paths are asked for (paths=a,b,... each equally often).

function init(args)
  local paths = {}
  for _, argument in ipairs(args) do
    for path in string.gmatch(string.match(argument, "^paths=(.*)$") or "", "[^,]+") do
      paths[#paths + 1] = wrk.format("GET", path)
    end
  end
  if #paths > 1 then
    math.randomseed(os.time())
    request = function() return paths[math.random(#paths)] end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'wrk-summary {"duration_us": %d, "answered": %d, "cpu_s": %.6f, ' ..
    '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
    summary.duration, summary.requests, os.clock(), -- the CPU time of all threads
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
