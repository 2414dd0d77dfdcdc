#!lua flags=allow-oom
-- Who holds which name. Runs even when Redis is out of memory, so that everybody who has a name can go on reading.
-- ARGV: the command, for how many seconds a name is kept, for how many an unconfirmed one, then the arguments of the
-- command.
local now = tonumber(redis.call('TIME')[1])
local commands, name_ttl, unconfirmed_ttl = {}, ARGV[2], ARGV[3]

-- Returns the case-folded name that a token is for, or nil if somebody else holds that name by now.
local function name_of(token)
  local folded = redis.call('GET', 'chat:token:' .. token)
  if folded and redis.call('HGET', 'chat:name:' .. folded, 'token') == token then return folded end
end

-- Keeps a name for this many seconds from now.
local function keep(folded, token, seconds)
  redis.call('EXPIRE', 'chat:name:' .. folded, seconds)
  redis.call('EXPIRE', 'chat:token:' .. token, seconds)
  redis.call('ZADD', 'chat:names', now + seconds, folded)
end

-- Takes the name from the user who was idle for longest, and for at least `evictable_after` seconds. Returns whether
-- there was one. Names that expire sooner than an unconfirmed one may be new, and are free soon anyway.
local function evict(evictable_after)
  local from, to = now + unconfirmed_ttl + 1, now + name_ttl - evictable_after
  local first = redis.call('ZRANGEBYSCORE', 'chat:names', from, to, 'LIMIT', 0, 1)[1]
  if not first then return false end
  local token = redis.call('HGET', 'chat:name:' .. first, 'token')
  redis.call('DEL', 'chat:name:' .. first, 'chat:token:' .. (token or ''))
  return redis.call('ZREM', 'chat:names', first) == 1
end

-- Arguments: token, case-folded name, name, id of the user, how many names there may be, evictable_after.
-- Returns 'claimed', 'taken' or 'full'.
function commands.claim(token, folded, name, id, max, evictable_after)
  if redis.call('EXISTS', 'chat:name:' .. folded) == 1 then return 'taken' end
  redis.call('ZREMRANGEBYSCORE', 'chat:names', '-inf', now)
  if redis.call('ZCARD', 'chat:names') >= tonumber(max) and not evict(evictable_after) then return 'full' end
  redis.call('HSET', 'chat:name:' .. folded, 'id', id, 'name', name, 'token', token)
  redis.call('SET', 'chat:token:' .. token, folded)
  keep(folded, token, unconfirmed_ttl)
  return 'claimed'
end

-- Arguments: token. Returns the id and the name of its user, or nil. Counts as a use of the name.
function commands.resolve(token)
  local folded = name_of(token)
  if not folded then return false end
  local name = 'chat:name:' .. folded
  -- Not at each use: a write costs a sync of the disk.
  local is_due = redis.call('TTL', name) < name_ttl - 60
  if redis.call('HDEL', name, 'released') == 1 or is_due then keep(folded, token, name_ttl) end
  return redis.call('HMGET', name, 'id', 'name')
end

-- Arguments: token.
function commands.release(token)
  local folded = name_of(token)
  if not folded then return end
  redis.call('HSET', 'chat:name:' .. folded, 'released', 1)
  keep(folded, token, unconfirmed_ttl)
end

-- Arguments: the tokens of users who are connected.
function commands.refresh(...)
  for _, token in ipairs({ ... }) do
    local folded = name_of(token)
    if folded then
      local is_released = redis.call('HEXISTS', 'chat:name:' .. folded, 'released') == 1
      keep(folded, token, is_released and unconfirmed_ttl or name_ttl)
    end
  end
end

return commands[ARGV[1]](unpack(ARGV, 4))
