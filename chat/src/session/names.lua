-- Who has which name. ARGV: what to do, then what it needs.
local now = tonumber(redis.call('TIME')[1])

-- The holder of a token and its folded name, if it is nobody else's by now.
local function holder(token)
  local folded = redis.call('GET', 'chat:token:' .. token)
  if not folded then return end
  local who = redis.call('HMGET', 'chat:name:' .. folded, 'id', 'name', 'token')
  if who[3] == token then return folded, who[1], who[2] end
end

-- The name is kept for so many seconds from now.
local function keep(folded, token, seconds)
  redis.call('EXPIRE', 'chat:name:' .. folded, seconds)
  redis.call('EXPIRE', 'chat:token:' .. token, seconds)
  redis.call('ZADD', 'chat:names', now + seconds, folded)
end

local todo = {}

-- token, seconds, how many names there may be, folded name, name, id
function todo.take(token, seconds, most, folded, name, id)
  if redis.call('EXISTS', 'chat:name:' .. folded) == 1 then return 'taken' end
  redis.call('ZREMRANGEBYSCORE', 'chat:names', '-inf', now)
  if redis.call('ZCARD', 'chat:names') >= tonumber(most) then return 'full' end
  redis.call('HSET', 'chat:name:' .. folded, 'id', id, 'name', name, 'token', token)
  redis.call('SET', 'chat:token:' .. token, folded)
  keep(folded, token, seconds)
  return 'yours'
end

-- token, seconds
function todo.known(token, seconds)
  local folded, id, name = holder(token)
  if not folded then return false end
  keep(folded, token, seconds)
  return { id, name }
end

-- token, seconds, token, seconds …
function todo.keep(...)
  local these = { ... }
  for i = 1, #these, 2 do
    local folded = holder(these[i])
    if folded then keep(folded, these[i], these[i + 1]) end
  end
end

return todo[ARGV[1]](unpack(ARGV, 2))
