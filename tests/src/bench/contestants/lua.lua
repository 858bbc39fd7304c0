function envoy_on_request(handle)
  if handle:headers():get("authorization") ~= "Bearer $API_TOKEN" then
    handle:respond({ [":status"] = "401" }, "")
  end
end
