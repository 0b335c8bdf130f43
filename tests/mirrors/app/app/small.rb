class Small
end
