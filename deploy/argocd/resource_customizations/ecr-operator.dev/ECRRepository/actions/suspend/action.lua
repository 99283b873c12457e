-- Nothing is read or written until it is resumed. Where Git says something of spec.suspend, self-healing sets it back.
if obj.spec == nil then
  obj.spec = {}
end
obj.spec.suspend = true
return obj
