-- Makes room in a Redis that is full: deletes the oldest messages of the room that was silent for longest.
-- ARGV: how many messages to delete at most, and how many of the newest ones a room keeps in any case.
-- Returns how many were deleted; 0 if no room has more than it keeps.
local max, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
while true do
  local room = redis.call('ZRANGE', 'chat:rooms', 0, 0)[1]
  if not room then return 0 end
  local count = math.min(max, redis.call('XLEN', 'chat:log:' .. room) - keep)
  for _ = 1, count do delete_oldest(room) end
  if count < max then redis.call('ZREM', 'chat:rooms', room) end -- Its next message adds it again.
  if count > 0 then return count end
end
