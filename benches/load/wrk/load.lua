-- One script for every load. After the URL and `--` come the method and what it needs:
--   get                        the URL, over and over
--   list FILE                  the paths in FILE, one a line, in turn
--   json BODY                  POST BODY, over and over
--   put FILE NAME              PUT FILE, each time under another name below NAME
--   form FILE NAME             POST FILE as a form's part `file`, each time as another NAME
-- At the end it writes one line of JSON.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local function content(path)
  local file = assert(io.open(path, "rb"))
  local all = file:read("*a")
  file:close()
  return all
end

function init(args)
  local method, count = args[1], 0
  if method == "list" then
    local paths, prepared = {}, {}
    for path in io.lines(args[2]) do
      prepared[#prepared + 1] = wrk.format("GET", path)
    end
    request = function()
      count = count + 1
      return prepared[(count - 1) % #prepared + 1]
    end
  elseif method == "json" then
    wrk.method, wrk.body = "POST", args[2]
    wrk.headers["Content-Type"] = "application/json"
  elseif method == "put" then
    local body = content(args[2])
    request = function()
      count = count + 1
      return wrk.format("PUT", args[3] .. number .. "-" .. count, nil, body)
    end
  elseif method == "form" then
    local body, boundary = content(args[2]), "consign-load-boundary-5b1f"
    local head = "--" .. boundary .. '\r\nContent-Disposition: form-data; name="file"; filename="'
    local rest = '"\r\nContent-Type: application/octet-stream\r\n\r\n' .. body .. "\r\n--" .. boundary .. "--\r\n"
    wrk.headers["Content-Type"] = "multipart/form-data; boundary=" .. boundary
    request = function()
      count = count + 1
      return wrk.format("POST", nil, nil, head .. count .. "-" .. args[3] .. rest)
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "bytes": %.0f, "p50": %.1f, "p99": %.1f, ' ..
    '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    summary.requests > 0 and latency:percentile(50) or 0,
    summary.requests > 0 and latency:percentile(99) or 0,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
