#!lua flags=allow-oom
-- Manages which user holds which name. Runs even when Redis is out of memory, so that users with a name can still read.
-- ARGV: the command, the seconds until a name expires, the seconds until an unconfirmed name expires, and the arguments
-- of the command.
local now = tonumber(redis.call('TIME')[1])
local commands, name_ttl, unconfirmed_ttl = {}, ARGV[2], ARGV[3]

-- Returns the case-folded name of the user with this token, or nil if this user no longer holds the name.
local function name_of(token)
  local folded = redis.call('GET', 'chat:token:' .. token)
  if folded and redis.call('HGET', 'chat:name:' .. folded, 'token') == token then return folded end
end

-- Makes a name expire after this many seconds from now.
local function expire(folded, token, seconds)
  redis.call('EXPIRE', 'chat:name:' .. folded, seconds)
  redis.call('EXPIRE', 'chat:token:' .. token, seconds)
  redis.call('ZADD', 'chat:names', now + seconds, folded)
end

-- Returns whether the holder of a name has taken another one, and has not used this one since.
local function is_released(folded)
  return redis.call('HEXISTS', 'chat:name:' .. folded, 'released') == 1
end

-- Returns whether it is time to make a confirmed name expire later. Once in ten minutes is enough, because each write
-- costs a sync of the disk. It must be less than the hour after which an unused name may be evicted.
local function is_due(folded)
  return redis.call('TTL', 'chat:name:' .. folded) < name_ttl - 600
end

-- Evicts the name that was idle for longest, if it was idle for at least `evictable_after` seconds. Returns whether
-- there was one. Unconfirmed names are not evicted, because they expire soon.
local function evict(evictable_after)
  local from, to = now + unconfirmed_ttl + 1, now + name_ttl - evictable_after
  local first = redis.call('ZRANGEBYSCORE', 'chat:names', from, to, 'LIMIT', 0, 1)[1]
  if not first then return false end
  local token = redis.call('HGET', 'chat:name:' .. first, 'token')
  redis.call('DEL', 'chat:name:' .. first, 'chat:token:' .. (token or ''))
  return redis.call('ZREM', 'chat:names', first) == 1
end

-- Makes a user the holder of a free name.
-- Arguments: token, case-folded name, name, id of the user, largest number of names, evictable_after.
-- Returns 'claimed', 'taken' or 'full'.
function commands.claim(token, folded, name, id, max, evictable_after)
  if redis.call('EXISTS', 'chat:name:' .. folded) == 1 then return 'taken' end
  redis.call('ZREMRANGEBYSCORE', 'chat:names', '-inf', now)
  if redis.call('ZCARD', 'chat:names') >= tonumber(max) and not evict(evictable_after) then return 'full' end
  redis.call('HSET', 'chat:name:' .. folded, 'id', id, 'name', name, 'token', token)
  redis.call('SET', 'chat:token:' .. token, folded)
  expire(folded, token, unconfirmed_ttl)
  return 'claimed'
end

-- Returns the id and the name of the user with a token, or nil. This counts as a use of the name.
-- Arguments: token.
function commands.resolve(token)
  local folded = name_of(token)
  if not folded then return false end
  local name = 'chat:name:' .. folded
  if is_released(folded) or is_due(folded) then
    redis.call('HDEL', name, 'released')
    expire(folded, token, name_ttl)
  end
  return redis.call('HMGET', name, 'id', 'name')
end

-- Makes the name of the user with a token unconfirmed.
-- Arguments: token.
function commands.release(token)
  local folded = name_of(token)
  if not folded then return end
  redis.call('HSET', 'chat:name:' .. folded, 'released', 1)
  expire(folded, token, unconfirmed_ttl)
end

-- Renews the expiry of the names of connected users.
-- Arguments: the tokens of these users.
function commands.refresh(...)
  for _, token in ipairs({ ... }) do
    local folded = name_of(token)
    if folded and is_released(folded) then
      expire(folded, token, unconfirmed_ttl)
    elseif folded and is_due(folded) then
      expire(folded, token, name_ttl)
    end
  end
end

return commands[ARGV[1]](unpack(ARGV, 4))
