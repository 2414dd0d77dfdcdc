-- Deletes the oldest messages of the room that was silent for longest, and then of the next one, because Redis is out
-- of memory. Each room keeps its latest messages as long as any other room has more than it keeps. Then all messages of
-- the longest silent rooms are deleted, except those of the latest rooms: Redis may be full of other data.
-- ARGV: how many messages of a room to delete at most, how many latest messages a room keeps, how many messages are
-- enough for one call, and how many rooms always keep their latest messages.
-- Returns how many messages were deleted: 0 if there are none any more.
-- The code of `log.lua` comes before this code.
local max, keep, enough, kept_rooms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local deleted = 0
while deleted < enough do
  local rooms, kept = 'chat:rooms', keep
  if redis.call('ZCARD', rooms) == 0 then
    rooms, kept = 'chat:rooms:small', 0
    if redis.call('ZCARD', rooms) <= kept_rooms then break end
  end
  local room, time = unpack(redis.call('ZRANGE', rooms, 0, 0, 'WITHSCORES'))
  if not room then break end
  local count = math.min(max, redis.call('XLEN', 'chat:log:' .. room) - kept)
  for _ = 1, count do delete_oldest(room) end
  deleted = deleted + math.max(count, 0)
  if redis.call('XLEN', 'chat:log:' .. room) <= kept then
    redis.call('ZREM', rooms, room) -- Its next message adds it to `chat:rooms` again.
    if kept > 0 then redis.call('ZADD', 'chat:rooms:small', time, room) end
  end
end
return deleted
