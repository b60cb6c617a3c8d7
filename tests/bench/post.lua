-- wrk: post the file BODY as JSON with the key KEY, and end with one line that a program reads
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method, wrk.body = "POST", file:read("*a")
file:close()
wrk.headers["Content-Type"] = "application/json"
if os.getenv("KEY") then wrk.headers["Authorization"] = "Bearer " .. os.getenv("KEY") end

function done(summary, latency)
  local failed = summary.errors
  local broken = failed.status + failed.connect + failed.read + failed.write + failed.timeout
  print(string.format("figures %d %d %d %d %d", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), broken))
end
