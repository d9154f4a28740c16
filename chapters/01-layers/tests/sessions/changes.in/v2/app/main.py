print("hello from version 2")
