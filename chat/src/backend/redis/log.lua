-- What `append.lua` and `evict.lua` share: this stands before each of them.

-- Returns the sorted sets that have the id of a message.
local function indexes(room, from_id, to_id)
  if not to_id then return { 'chat:public:' .. room } end
  return { 'chat:private:' .. room .. ':' .. from_id, 'chat:private:' .. room .. ':' .. to_id }
end

-- Deletes the oldest message of a room, and its key with it.
local function delete_oldest(room)
  local old = redis.call('XRANGE', 'chat:log:' .. room, '-', '+', 'COUNT', 1)[1]
  redis.call('XDEL', 'chat:log:' .. room, old[1])
  redis.call('HDEL', 'chat:sent:' .. old[2][2], old[2][6])
  local id = string.match(old[1], '^%d+')
  for _, index in ipairs(indexes(room, old[2][2], old[2][12])) do redis.call('ZREM', index, id) end
end

