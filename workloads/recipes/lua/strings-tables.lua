-- Strings, tables, closures, coroutines, protected calls and the collector. Nothing here depends on
-- the order of hash tables, which Lua seeds anew in each process.
local function generator(seed)
    return function()
        seed = (seed * 1103515245 + 12345) % 2147483648
        return seed // 65536
    end
end

local random = generator(42)
local numbers = {}
for i = 1, 5000 do numbers[i] = random() end
table.sort(numbers)
print(#numbers, numbers[1], numbers[2500], numbers[5000])
table.sort(numbers, function(a, b) return a % 1000 < b % 1000 or (a % 1000 == b % 1000 and a < b) end)
print(numbers[1], numbers[5000])

local words, count = {}, {}
for i = 1, 2000 do words[i] = string.char(97 + random() % 26, 97 + random() % 4) end
local text = table.concat(words, " ")
for word in text:gmatch("%a+") do count[word] = (count[word] or 0) + 1 end
local kinds = {}
for word in pairs(count) do kinds[#kinds + 1] = word end
table.sort(kinds)
print(#text, #kinds, kinds[1], count[kinds[1]])
print((text:gsub("a(%a)", "%1-")):sub(1, 40))
print(("%5.2f|%-6s|%06d|%x|%q"):format(3.14159, "ab", 42, 255, "a\nb"))

local producer = coroutine.wrap(function()
    for i = 1, 3000 do coroutine.yield(i * i) end
end)
local sum = 0
for _ = 1, 3000 do sum = sum + producer() end
print(sum)

local caught = 0
for i = 1, 1000 do
    local ok, message = pcall(function() if i % 3 == 0 then error({code = i}) end end)
    if not ok then caught = caught + message.code end
end
print(caught, select(2, pcall(error, "plain")))

local list
for i = 1, 20000 do list = {next = i % 100 ~= 1 and list or nil, value = i} end
collectgarbage()
local length = 0
while list do length, list = length + 1, list.next end
print(length, collectgarbage("count") < 4096)

local account = setmetatable({}, {__index = function(_, key) return #key end, __call = function(_, a) return a + 1 end})
print(account.hello, account(41), math.maxinteger, 7 // 2, -7 % 3, 1e15, 2^53)
