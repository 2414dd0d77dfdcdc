-- Adds a message to the log of its room and tells all servers, or finds what its key got the first time.
-- Returns what came of it, the id, and the time.
local room, from_id, folded, from, key, text, most, to = unpack(ARGV)
local log, sent = 'chat:log:' .. room, 'chat:sent:' .. from_id

local first = redis.call('HGET', sent, key)
if first then
  local id, time = string.match(first, '^(%d+) (%d+)$')
  return { 'repeat', id, time }
end
if redis.call('HGET', 'chat:name:' .. folded, 'id') ~= from_id then return { 'gone', 0, 0 } end

local now = redis.call('TIME')
local fields = { 'from_id', from_id, 'from', from, 'key', key, 'text', text, 'time', now[1] }
if to then
  local who = redis.call('HMGET', 'chat:name:' .. to, 'id', 'name')
  if not who[1] then return { 'nobody', 0, 0 } end
  for _, field in ipairs({ 'to_id', who[1], 'to', who[2] }) do table.insert(fields, field) end
end

-- The ids of a room are without gaps; the first is the time in milliseconds.
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local id = last and string.match(last[1], '^%d+') + 1 or now[1] * 1000 + math.floor(now[2] / 1000)
id = string.format('%.0f', id)
redis.call('XADD', log, id .. '-0', unpack(fields))
redis.call('HSET', sent, key, id .. ' ' .. now[1])

-- A key goes with its message.
while redis.call('XLEN', log) > tonumber(most) do
  local old = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  redis.call('XDEL', log, old[1])
  redis.call('HDEL', 'chat:sent:' .. old[2][2], old[2][6])
end

redis.call('PUBLISH', 'chat:said', cjson.encode({ room, { id .. '-0', fields } }))
return { 'new', id, now[1] }
