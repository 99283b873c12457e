-- Both kinds follow kstatus: observedGeneration says which spec the status speaks of, Ready is always there,
-- and Reconciling or Stalled only while true. Stalled alone means that a person is needed: what the operator
-- tries again is Progressing, so that a throttled call does not fail a sync.
local function condition(name)
  if obj.status == nil or obj.status.conditions == nil then
    return nil
  end
  for _, it in ipairs(obj.status.conditions) do
    if it.type == name then
      return it
    end
  end
  return nil
end

local function health(status, message)
  return { status = status, message = message }
end

local ready = condition("Ready")

-- First: an Argo CD that asks scripts also during deletion would otherwise call a waiting object Degraded.
if obj.metadata.deletionTimestamp ~= nil then
  if ready ~= nil and ready.status ~= "True" then
    return health("Progressing", "Pending deletion: " .. (ready.message or ""))
  end
  return health("Progressing", "Pending deletion")
end

if obj.spec ~= nil and obj.spec.suspend == true then
  return health("Suspended", "Suspended — to go on, set spec.suspend to false")
end

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "Changed, and not seen by the operator when Argo CD last looked — refresh the application to look again")
end

local stalled = condition("Stalled")
if stalled ~= nil and stalled.status == "True" then
  return health("Degraded", stalled.message)
end

if ready == nil then
  return health("Progressing", "There is no condition Ready yet")
end
if ready.status == "True" then
  return health("Healthy", ready.message)
end
return health("Progressing", ready.message)
