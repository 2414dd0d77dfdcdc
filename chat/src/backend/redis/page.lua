#!lua flags=no-writes
-- Reads a page of a room, without messages that are private to others. Such messages do not make it slower.
-- ARGV: room, id of the reader, direction ('after' or 'before'), an id ('' for the latest messages), the largest number
-- of messages, and the number of bytes of text after which the page ends.
-- Returns the id of the first and of the last message of the room, the id after which the page begins, the entries of
-- the page, and 1 if there are more, otherwise 0.
local room, reader, direction, id, count, bytes = unpack(ARGV)
local log = 'chat:log:' .. room
local visible = { 'chat:public:' .. room, 'chat:private:' .. room .. ':' .. reader }
count, bytes = tonumber(count), tonumber(bytes)

local function id_of(entry) return tonumber(string.match(entry[1], '^%d+')) end
local function as_text(number) return string.format('%.0f', number) end

-- Returns at most `limit` ids of visible messages, in the order in which `command` reads them.
local function visible_ids(command, from, to, limit)
  local ids = {}
  for _, key in ipairs(visible) do
    for _, member in ipairs(redis.call(command, key, from, to, 'LIMIT', 0, limit)) do
      table.insert(ids, tonumber(member))
    end
  end
  local ascending = command == 'ZRANGEBYSCORE'
  table.sort(ids, function(a, b) if ascending then return a < b else return a > b end end)
  while #ids > limit do table.remove(ids) end
  return ids
end

local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
-- For an empty room the ids are 1 and 0, so that its only valid cursor is 0.
local first_id, last_id = first and id_of(first) or 1, last and id_of(last) or 0

local after, ids = -1, nil
if direction == 'before' then
  ids = visible_ids('ZREVRANGEBYSCORE', '(' .. id, '-inf', count + 1)
else
  if id == '' then
    local latest = visible_ids('ZREVRANGEBYSCORE', '+inf', '-inf', count)
    after = #latest > 0 and latest[#latest] - 1 or last_id
  else
    -- The caller checks whether the id is in the log.
    after = math.min(math.max(tonumber(id), first_id - 1), last_id)
  end
  ids = visible_ids('ZRANGEBYSCORE', '(' .. as_text(after), '+inf', count + 1)
end

local page, size = {}, 0
for _, number in ipairs(ids) do
  if #page >= count or size > bytes then break end
  local entry = redis.call('XRANGE', log, as_text(number), as_text(number))[1]
  if entry then
    table.insert(page, entry)
    size = size + #entry[2][8] -- The text: see `append.lua`.
  end
end
return { as_text(first_id), as_text(last_id), as_text(after), page, #page < #ids and 1 or 0 }
