-- Adds a message to the log of its room and publishes it. If the author has sent its idempotency key before, only
-- returns the first receipt.
-- ARGV: room, id of the author, case-folded name of the author, name of the author, key, text, the largest number of
-- messages in a room. For a private message also the case-folded name of the recipient and, if the author knows it, the
-- id of the recipient.
-- Returns an outcome ('created', 'repeated', 'no recipient', 'name lost'), the id, and the time in Unix seconds.
-- The code of `log.lua` comes before this code.
local room, from_id, folded, from, key, text, max, to, expected_id = unpack(ARGV)
local log, sent = 'chat:log:' .. room, 'chat:sent:' .. from_id

local first = redis.call('HGET', sent, key)
if first then
  local id, time = string.match(first, '^(%d+) (%d+)$')
  return { 'repeated', id, time }
end
if redis.call('HGET', 'chat:name:' .. folded, 'id') ~= from_id then return { 'name lost', 0, 0 } end

local now = redis.call('TIME')
-- The scripts read some values by their position: 2 is `from_id`, 6 is `key`, 8 is `text`, 12 is `to_id`.
local fields = { 'from_id', from_id, 'from', from, 'key', key, 'text', text, 'time', now[1] }
if to then
  local recipient = redis.call('HMGET', 'chat:name:' .. to, 'id', 'name')
  if not recipient[1] or expected_id and recipient[1] ~= expected_id then return { 'no recipient', 0, 0 } end
  for _, field in ipairs({ 'to_id', recipient[1], 'to', recipient[2] }) do table.insert(fields, field) end
end

-- An id is the time in microseconds, or a larger one if the clock went back. So it is also larger than the ids of
-- messages that this Redis does not have any more, or never got: a replica that becomes the primary may lack the latest
-- ones. With an id twice, a reader who has seen the first message would never get the second.
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local previous = last and string.match(last[1], '^%d+') or redis.call('GET', 'chat:deleted') or 0
local id = math.max(now[1] * 1e6 + now[2], tonumber(previous) + 1)
id = string.format('%.0f', id)
redis.call('XADD', log, id .. '-0', unpack(fields))
redis.call('HSET', sent, key, id .. ' ' .. now[1])

-- Pages are read from these sorted sets: see `page.lua`.
local to_id = to and fields[12]
for _, index in ipairs(indexes(room, from_id, to_id)) do redis.call('ZADD', index, id, id) end
-- With the microseconds: two rooms may get a message in the same second.
redis.call('ZADD', 'chat:rooms', string.format('%d.%06d', now[1], now[2]), room)
redis.call('ZREM', 'chat:rooms:small', room)

while redis.call('XLEN', log) > tonumber(max) do delete_oldest(room) end

redis.call('PUBLISH', 'chat:message', cjson.encode({ room, { id .. '-0', fields } }))
return { 'created', id, now[1] }
