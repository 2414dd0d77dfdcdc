-- Functions for `append.lua` and `evict.lua`. This code comes before the code of each.

-- Returns the keys of the sorted sets that have the id of a message.
local function indexes(room, from_id, to_id)
  if not to_id then return { 'chat:public:' .. room } end
  return { 'chat:private:' .. room .. ':' .. from_id, 'chat:private:' .. room .. ':' .. to_id }
end

-- Deletes the oldest message of a room, with its idempotency key.
local function delete_oldest(room)
  local entry_id, fields = unpack(redis.call('XRANGE', 'chat:log:' .. room, '-', '+', 'COUNT', 1)[1])
  local from_id, key, to_id = fields[2], fields[6], fields[12] -- See `append.lua`.
  redis.call('XDEL', 'chat:log:' .. room, entry_id)
  redis.call('HDEL', 'chat:sent:' .. from_id, key)
  local id = string.match(entry_id, '^%d+')
  for _, index in ipairs(indexes(room, from_id, to_id)) do redis.call('ZREM', index, id) end
end

