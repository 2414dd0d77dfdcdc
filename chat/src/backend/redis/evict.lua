-- Deletes the oldest messages of the room that was silent for longest, because Redis is out of memory.
-- ARGV: the largest number of messages to delete, and the number of latest messages that each room keeps.
-- Returns how many messages were deleted: 0 if no room has more than it keeps.
-- The code of `log.lua` comes before this code.
local max, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
while true do
  local room = redis.call('ZRANGE', 'chat:rooms', 0, 0)[1]
  if not room then return 0 end
  local count = math.min(max, redis.call('XLEN', 'chat:log:' .. room) - keep)
  for _ = 1, count do delete_oldest(room) end
  if count < max then redis.call('ZREM', 'chat:rooms', room) end -- Its next message adds it again.
  if count > 0 then return count end
end
