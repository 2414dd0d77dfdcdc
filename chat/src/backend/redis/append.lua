-- Adds a message to the log of its room and publishes it, or finds the receipt that its idempotency key got the
-- first time.
-- ARGV: room, id of the author, case-folded name of the author, name of the author, key, text, how many messages a
-- room keeps; if the message is private, the case-folded name of the recipient; and the id that the recipient must have,
-- if the author knows it.
-- `log.lua` stands before this.
-- Returns what was done ('created', 'repeated', 'no recipient', 'name lost'), the id, and the time in Unix seconds.
local room, from_id, folded, from, key, text, max, to, must_be = unpack(ARGV)
local log, sent = 'chat:log:' .. room, 'chat:sent:' .. from_id

local first = redis.call('HGET', sent, key)
if first then
  local id, time = string.match(first, '^(%d+) (%d+)$')
  return { 'repeated', id, time }
end
if redis.call('HGET', 'chat:name:' .. folded, 'id') ~= from_id then return { 'name lost', 0, 0 } end

local now = redis.call('TIME')
local fields = { 'from_id', from_id, 'from', from, 'key', key, 'text', text, 'time', now[1] }
if to then
  local recipient = redis.call('HMGET', 'chat:name:' .. to, 'id', 'name')
  if not recipient[1] or must_be and recipient[1] ~= must_be then return { 'no recipient', 0, 0 } end
  for _, field in ipairs({ 'to_id', recipient[1], 'to', recipient[2] }) do table.insert(fields, field) end
end

-- The ids of a room have no gaps; the first is the time in milliseconds.
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local id = last and string.match(last[1], '^%d+') + 1 or now[1] * 1000 + math.floor(now[2] / 1000)
id = string.format('%.0f', id)
redis.call('XADD', log, id .. '-0', unpack(fields))
redis.call('HSET', sent, key, id .. ' ' .. now[1])

-- Where a page is read from: the ids of public messages, and those of private ones for each of the two who see them.
local to_id = to and fields[12]
for _, index in ipairs(indexes(room, from_id, to_id)) do redis.call('ZADD', index, id, id) end
redis.call('ZADD', 'chat:rooms', now[1], room)

while redis.call('XLEN', log) > tonumber(max) do delete_oldest(room) end

redis.call('PUBLISH', 'chat:message', cjson.encode({ room, { id .. '-0', fields } }))
return { 'created', id, now[1] }
