#!lua flags=allow-oom
-- Who has which name. ARGV: what to do, for how many seconds a name is kept, and for how many if it is not proven
-- or was given up, then what else it needs.
local now = tonumber(redis.call('TIME')[1])
local todo, unused, unproven = {}, ARGV[2], ARGV[3]

-- The folded name of the holder of a token, if it is nobody else's by now.
local function name_of(token)
  local folded = redis.call('GET', 'chat:token:' .. token)
  if folded and redis.call('HGET', 'chat:name:' .. folded, 'token') == token then return folded end
end

-- The name is kept for so many seconds from now.
local function keep(folded, token, seconds)
  redis.call('EXPIRE', 'chat:name:' .. folded, seconds)
  redis.call('EXPIRE', 'chat:token:' .. token, seconds)
  redis.call('ZADD', 'chat:names', now + seconds, folded)
end

-- Makes place by taking the name from who was away for longest, and for so many seconds. Those that are kept for
-- less than a name that is not proven may be new, and are free soon anyway.
local function evict(away)
  local first = redis.call('ZRANGEBYSCORE', 'chat:names', now + unproven + 1, now + unused - away, 'LIMIT', 0, 1)[1]
  if not first then return false end
  local token = redis.call('HGET', 'chat:name:' .. first, 'token')
  redis.call('DEL', 'chat:name:' .. first, 'chat:token:' .. (token or ''))
  return redis.call('ZREM', 'chat:names', first) == 1
end

-- token, folded name, name, id, how many names there may be, after how long away one may have to go
function todo.take(token, folded, name, id, most, away)
  if redis.call('EXISTS', 'chat:name:' .. folded) == 1 then return 'taken' end
  redis.call('ZREMRANGEBYSCORE', 'chat:names', '-inf', now)
  if redis.call('ZCARD', 'chat:names') >= tonumber(most) and not evict(away) then return 'full' end
  redis.call('HSET', 'chat:name:' .. folded, 'id', id, 'name', name, 'token', token)
  redis.call('SET', 'chat:token:' .. token, folded)
  keep(folded, token, unproven)
  return 'yours'
end

-- token
function todo.known(token)
  local folded = name_of(token)
  if not folded then return false end
  local name = 'chat:name:' .. folded
  -- Not each time: a write costs a sync of the disk.
  if redis.call('HDEL', name, 'given') == 1 or redis.call('TTL', name) < unused - 60 then keep(folded, token, unused) end
  return redis.call('HMGET', name, 'id', 'name')
end

-- token
function todo.give(token)
  local folded = name_of(token)
  if not folded then return end
  redis.call('HSET', 'chat:name:' .. folded, 'given', 1)
  keep(folded, token, unproven)
end

-- the tokens of those who are here
function todo.keep(...)
  for _, token in ipairs({ ... }) do
    local folded = name_of(token)
    if folded then
      local given = redis.call('HEXISTS', 'chat:name:' .. folded, 'given') == 1
      keep(folded, token, given and unproven or unused)
    end
  end
end

return todo[ARGV[1]](unpack(ARGV, 4))
